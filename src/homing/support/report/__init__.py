"""Report: how what was promised to an account was kept in a month, for its statement.

In      an account and a month, from api.v1.availability and `homing availability month`
Out     contracts.kept.Kept: call-backs, promises and misses, ends of cases, TAM and programme, calendars in force
Owns    nothing; it reads through the stores of line, cases, clocks, tam, contracts and hours
Start   month.py gathers, rules/counting.py counts
"""
