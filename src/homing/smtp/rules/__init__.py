"""The conversation without a socket: pure."""
