"""Boot: the only place that reads settings, opens pools and wires rooms together.

In      cli (homing up), the supervisor (it starts each worker as `python -m homing.boot.worker_start`)
Out     every room
Owns    nothing
Start   supervisor.py (the parent), then worker.py (the children)
"""
