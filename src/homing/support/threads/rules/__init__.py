"""Decisions of the room: where a mail goes, what a call to a TAM's number hears, what stands first in the stream of oversight."""
