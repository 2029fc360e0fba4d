"""Validation: would mail to an address arrive? Asked of its spelling, of DNS and of our own log, never of foreign hosts.

In      api.v1.recipient_validation: one address, or a list of them
Out     verdicts; results of lists as CSV
Owns    tables validation_lists, validation_pieces
Start   rules/verdict.py, then judge.py (one address or a thousand) and runner.py (lists, in the background)
"""
