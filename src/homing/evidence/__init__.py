"""Evidence: what each customer attempted in each second, and how it ended; it survives an outage of our own.

In      the doors of each worker (Journal.count for every answer), the supervisor's doorman
Out     files below <data>/evidence, read by the monthly statement
Owns    <data>/evidence; no table
Start   types.py, then journal.py
"""
