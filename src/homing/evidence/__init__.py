"""Evidence: what each customer attempted in each second, and how it ended; it survives an outage of our own.

In      the doors of each worker (Journal.begin for every attempt), the supervisor's doorman and watch
Out     files below <data>/evidence; the ledger, which availability judges
Owns    <data>/evidence; tables ledger_nodes, ledger_segments, ledger_watch, ledger_files, ledger_late
Start   types.py, journal.py, then fold.py
"""
