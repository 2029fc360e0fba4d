"""Clocks: promises with a time, what became of them, and the proof that nobody turned them back.

In      marks (started, paused, resumed, stopped ...) that other rooms of support derive from their events
Out     readings: state, due time, elapsed time, outcome; findings of the nightly audit
Owns    tables clocks, clock_audits
Start   types.py and rules/run.py, then rules/cadence.py; store.py caches, keeper.py writes misses, auditor.py replays
"""
