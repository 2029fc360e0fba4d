"""Engagement: what recipients do with a message. Opens, clicks, unsubscribes; the site that tracked links lead to.

In      browsers and mail programs (site.py)
Out     events and suppressions, by queue.owner.record
Owns    no tables
Start   site.py, then desk.py, rules/happened.py and rules/agents.py
"""
