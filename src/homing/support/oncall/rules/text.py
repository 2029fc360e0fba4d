"""Steps of ladders as people write them: `+2 schedule:secondary`, `+13 everybody,role:admin alarm`."""

import re

from homing.contracts.types import Role
from homing.ground.errors import Misuse
from homing.support.oncall.types import Step, Target, Whom

_STEP = re.compile(r"\+(\d{1,4})(?::([0-5]\d))?\s+(\S.*?)(\s+alarm)?")
SCHEDULE_NAME = re.compile(r"[^\W_](?:[\w .-]{0,61}[\w.-])?")


def read_step(text: str) -> Step:
    """Return a step: minutes (and seconds) after the start, whom it pages, and whether it is an alarm.

    raises   Misuse
    """
    match = _STEP.fullmatch(text.strip())
    if match is None:
        raise Misuse(f"'{text[:60]}' is no step; write for example '+2 schedule:secondary' or '+13 everybody,role:admin alarm'")
    minutes, seconds, targets, alarm = match.groups()
    after_s = int(minutes) * 60 + int(seconds or 0)
    return Step(after_s=after_s, targets=tuple(_target(one.strip()) for one in targets.split(",")), alarm=bool(alarm))


def show_step(step: Step) -> str:
    """Return a step as `read_step` reads it."""
    minutes, seconds = divmod(step.after_s, 60)
    after = f"+{minutes}" + (f":{seconds:02d}" if seconds else "")
    return f"{after} {','.join(_shown(one) for one in step.targets)}" + (" alarm" if step.alarm else "")


def read_name(text: str) -> str:
    """Return the name of a schedule or ladder.

    raises   Misuse
    """
    if not SCHEDULE_NAME.fullmatch(text):
        raise Misuse("a name is 1 to 63 letters, digits, spaces, dots and dashes")
    return text


def _target(text: str) -> Target:
    word, _, name = text.partition(":")
    if word in (Whom.TAM, Whom.EVERYBODY) and not name:
        return Target(Whom(word))
    if word == Whom.SCHEDULE:
        return Target(Whom.SCHEDULE, read_name(name))
    if word == Whom.ROLE and name in set(Role):
        return Target(Whom.ROLE, name)
    raise Misuse(f"'{text[:60]}' names nobody; write schedule:NAME, role:{'|'.join(Role)}, tam or everybody")


def _shown(target: Target) -> str:
    return f"{target.whom}:{target.name}" if target.name else target.whom.value
