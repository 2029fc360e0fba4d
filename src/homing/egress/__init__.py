"""Egress: the addresses that mail leaves from, in pools, and how fast each may go to whom.

In      delivery (which address, how many connections), ingress.accept (does the pool exist)
Out     PostgreSQL (pools), the supervisor's pace keeper over the worker's channel
Owns    tables ip_pools, pool_ips; data/shaping.toml
Start   pools.py, then rules/shaping.py, rules/pace.py and pace.py
"""
