"""Inbound: what comes back from the world. Bounces after the fact, complaints, unsubscribe mails, auto-replies.

In      mail that others send back to return paths of ours
Out     what such a mail says, as a Reading
Owns    no table
Start   rules/reading.py, then rules/dsn.py, rules/plain_bounce.py and rules/arf.py
"""
