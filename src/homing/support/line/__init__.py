"""Line: the Severity 1 Line (clauses F1 to F4). A call is taken in at its first ring, people are woken, and it is returned.

In      webhooks of carriers and the web form (api.telephony), api.v1.support_sev1, the carrier's list of calls
Out     documents for carriers, calls and texts, ladders (support.oncall), cases (support.cases), call-backs met or missed
Owns    tables line_calls, line_turns, line_events, line_obligations, line_attempts, line_recordings, line_tests, line_chores,
        line_pages, line_page_calls
Start   types.py, then rules/script.py and rules/callback.py; desk.py answers a call, ladders.py has people woken, returning.py,
        legs.py and attempts.py call back, keeper.py watches
"""
