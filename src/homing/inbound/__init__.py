"""Inbound: what comes back from the world. Bounces after the fact, complaints, unsubscribe mails, auto-replies.

In      SMTP clients at the MX door (door.py), which give mail back to return paths of ours, to fbl@ and unsubscribe@
Out     events and suppressions, by queue.owner.record
Owns    tables inbound_domains, relay_webhooks, relay_mail, postmaster_mail
Start   returned.py, then rules/destination.py, rules/reading.py and rules/consequence.py
"""
