"""Line: the Severity 1 Line (clauses F1 to F4). A call is taken in at its first ring, people are paged, and it is returned.

In      webhooks of carriers and the web form (api.telephony), api.v1.support_sev1, the carrier's list of calls
Out     documents for carriers, outbound calls, pages (StartLadder), cases (OpenCase), call-backs met or missed
Owns    nothing yet
Start   types.py, then rules/script.py and rules/callback.py
"""
