"""Availability: which seconds of each customer were Unavailable, and what proves it (clause D).

In      evidence (journals folded into the ledger), reports of witnesses, decisions of people
Out     statements, findings (page), sealed days that a customer can verify
Owns    tables ledger_signers, ledger_roots, ledger_leaves, availability_exclusions, availability_findings,
        availability_witnesses, availability_reports
Start   rules/judging.py, gather.py, then seal.py and statement.py
"""
