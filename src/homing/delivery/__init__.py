"""Delivery: mail goes out to the hosts of its recipients' domains, and what they answer is judged.

In      queue.owner (entries just committed or read when due), holds, the pace keeper's slots and tokens
Out     SMTP to the world, settlements with their events to queue.owner, holds
Owns    no table; data/mailbox_providers.json
Start   engine.py, then dispatcher.py and rules/outcome.py; routing.py and resolver.py find the way
"""
