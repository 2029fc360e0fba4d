"""Hours: when Business Hours run, how many seconds of them lie between two instants, and when a promise in them falls due.

In      cli (show, due, explain, record, holiday, import); whoever keeps a promise in Business Hours
Out     seconds, instants, explanations that add up; versions of hours and changes of holidays
Owns    tables hours_versions, holiday_changes
Start   rules/contract.py and rules/measure.py, then rules/holidays.py; store.py reads and records
"""
