"""Simulator: a small internet on loopback, DNS and mailbox providers with memory, for demo, tests and benchmarks.

In      homing demo, tests, bench; `python -m homing.simulator` as a process of its own
Out     a journal file of what the providers accepted; nothing beyond 127.0.0.0/8
Owns    nothing in the database
Start   town.py, then providers.py (the cast) and rules/behaviour.py (how a provider answers)
"""
