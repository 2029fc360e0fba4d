"""Decisions of on-call: pure functions of schedules, ladders and the moment."""
