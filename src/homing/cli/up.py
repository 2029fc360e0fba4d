"""`homing up`: the platform in the foreground."""

from homing.cli import reach
from homing.ground import collector


def up() -> None:
    """Start the platform: database, doors, delivery. Stops on Ctrl-C or SIGTERM, after what is in flight."""
    with collector.at_rest():
        from homing.boot import supervisor  # the whole house; every other command starts faster without it
    code = supervisor.up(reach.settings())
    if code:
        raise SystemExit(code)
