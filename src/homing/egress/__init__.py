"""Egress: the addresses that mail leaves from, in pools, and how fast each may go to whom.

In      delivery (which address, how many connections and messages), ingress.accept (does the pool exist), api.v1, cli,
        the feed (what became of mail from warming addresses), the supervisor's housekeeping (days to judge)
Out     PostgreSQL (pools, addresses, tallies), the supervisor's pace keeper over the worker's channel
Owns    tables ip_pools, pool_ips, warmup_days, warmup_pairs, warmup_pair_days, egress_version; data/shaping.toml
Start   types.py, pools.py and rules/choice.py, then rules/warmup.py and rules/pairs.py, levels.py, warmup.py and fold.py;
        rules/pace.py and pace.py
"""
