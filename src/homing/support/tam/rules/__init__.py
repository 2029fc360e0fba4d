"""Decisions of the programme; pure."""
