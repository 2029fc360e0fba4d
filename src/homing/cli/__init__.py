"""The words an operator types: `homing up`, `demo`, `key`, `domain`, `send`, `events`, `trace`, `queue`, `hours`,
`contract`, `staff`, `cases`, `suppressions`, `templates`, `doctor`.

In      a person at a terminal, or a script (every view has --json)
Out     tables and lines on standard output, errors on standard error; exit code 0, 1 (it did not work), 2 (misuse)
Owns    nothing; reads PostgreSQL and the supervisor's control socket
Start   app.py, then one module per command
"""

from homing.cli.app import main as main
