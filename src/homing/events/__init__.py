"""Events: what happened to every message, written down once and never changed.

In      queue (appends inside its transactions), ingress and delivery (make events), api.v1.events, cli (read)
Out     PostgreSQL
Owns    table events and its daily partitions; the closed list of event types; the fields of each on the wire
Start   types.py, then detail.py (writing), rules/wire.py and rules/search.py (reading), store.py
"""
