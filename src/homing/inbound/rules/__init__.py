"""Decisions about mail that came back: pure, bounded, and without an exception for any input."""
