"""Support: what the contract owes a customer who needs a person. A wing of rooms, each importing only those after it:
line, tam, cases, oncall, clocks.

In      api.v1.support_*, mail for the support address, calls, cli
Out     answers by mail, promises kept or missed, evidence of both
Owns    tables of its rooms
Start   oncall/rules/ladder.py: who is woken, and when; line/rules: what a caller hears
"""
