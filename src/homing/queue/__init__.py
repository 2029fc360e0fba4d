"""Queue: who is owed an attempt, and when. Makes mail durable, hands out what is due, writes how attempts ended.

In      ingress.accept and its shares (inbox), delivery's settlements and holds
Out     entries to delivery, the events of every commit, suppressions that a settlement brings
Owns    tables workers, shards, lanes, chunks, queue_entries, inbox, holds
Start   owner.py, then writer.py and transaction.py (commits), lease.py (shards), inbox.py and rules/lanes.py (what waits)
"""
