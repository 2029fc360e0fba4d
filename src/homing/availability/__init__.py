"""Availability: which seconds of each customer were Unavailable, and what proves it (clause D).

In      evidence (journals folded into the ledger), reports of witnesses, decisions of people
Out     statements, findings (page), sealed days that a customer can verify
Owns    nothing yet
Start   rules/judging.py, then rules/episodes.py
"""
