"""On-call: who is woken when a promise is at stake, in which order, by which channels.

In      whoever owes something (start_ladder, end_ladder), api.v1.support_oncall, cli
Out     pages by mail, webhook, services, calls and texts; claims, hand-ons, acknowledgements; a heartbeat outside
Owns    tables oncall_schedules, oncall_rotations, oncall_overrides, oncall_ladders, oncall_channels, oncall_runs, oncall_pages,
        oncall_beats
Start   rules/duty.py and rules/ladder.py, then engine.py
"""
