"""Cases: what a customer asked, who owns it, and when both sides agree that it is over.

In      api.v1.support_cases, web.case, mail for the support address (mailroom.py), calls of the line (calls.py), cli
Out     mail to people (post.py, through the platform's own door), clocks (support.clocks), ladders (support.oncall)
Owns    tables cases, case_events, case_messages, case_attachments, case_letters, case_quarantine, case_extracts
Start   rules/decision.py, rules/writing.py, rules/closing.py, then rules/fold.py and rules/clockwork.py; desk.py carries them out
"""
