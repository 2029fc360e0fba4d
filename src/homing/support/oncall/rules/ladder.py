"""A ladder step by step: whom to page now, and what claims, hand-ons, lapses and acknowledgements do (model, section 4.2).

Nothing here ends what is owed: that is the attempt's doing alone, and whoever owes it says so (invariant 10).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from homing.ground.errors import Misuse
from homing.support.oncall.types import Claim, Facts, Ladder, Paging, Run, Severity, Step, Target, Whom

LAPSE = timedelta(minutes=3)  # a claim without an attempt (invariant 9)
ROUND = timedelta(minutes=5)  # after the last step, everybody is paged again
MOST_ROUNDS = 24
MOST_STEPS = 20
LONGEST_S = 86_400
PER_HOUR = 20  # ordinary pages that one person gets by one channel
ADMIN, ONCALL = "admin", "oncall"


def _schedule(name: str) -> Target:
    return Target(Whom.SCHEDULE, name)


# Where no ladder of that name was recorded. Schedules that do not exist have nobody on duty.
SEVERITY_1 = Ladder(
    name="severity 1",
    steps=(
        Step(after_s=0, targets=(_schedule("primary"),)),
        Step(after_s=120, targets=(_schedule("secondary"),)),
        Step(after_s=300, targets=(Target(Whom.TAM), _schedule("incident manager"))),
        Step(after_s=480, targets=(Target(Whom.EVERYBODY),)),
        Step(after_s=660, targets=(_schedule("management"), Target(Whom.ROLE, ADMIN))),
        Step(after_s=780, targets=(Target(Whom.EVERYBODY), Target(Whom.ROLE, ADMIN)), alarm=True),
    ),
)


def checked(ladder: Ladder) -> Ladder:
    """Return a ladder that can be climbed.

    raises   Misuse
    """
    times = [step.after_s for step in ladder.steps]
    if not ladder.steps or len(ladder.steps) > MOST_STEPS:
        raise Misuse(f"a ladder has 1 to {MOST_STEPS} steps")
    if times != sorted(times) or times[0] != 0 or times[-1] > LONGEST_S:
        raise Misuse("the steps of a ladder stand in the order of their times, the first at +0, the last within a day")
    if any(not step.targets for step in ladder.steps):
        raise Misuse("every step pages somebody")
    return ladder


def due(run: Run, step: int) -> datetime:
    """Return when a step is due, as things stand."""
    one = run.steps[step]
    return run.at(one.after_s if one.alarm else one.after_s - run.forward_s)


def advance(run: Run, facts: Facts, now: datetime) -> tuple[Run, list[Paging]]:
    """Return whom to page now, and the run after it.

    Steps that are overdue (nobody worked meanwhile, a claim lapsed) come at once. A step that finds nobody is no wait: the next
    one comes at once, and what follows is as much earlier. If all are empty, everybody of the roles oncall and admin is paged.
    """
    if run.ended_at is not None:
        return run, []
    pagings: list[Paging] = []
    if run.claim is not None and lapses_at(run.claim) <= now:
        run = replace(run, claim=None)
    while run.next_step < len(run.steps) and due(run, run.next_step) <= now:
        number = run.next_step
        step = run.steps[number]
        if run.claim is not None and not _alarm_is_due(run, now):
            break
        people = whom(step.targets, facts)
        run = replace(run, next_step=number + 1)
        if people:
            pagings.append(Paging(step=number, people=people, alarm=step.alarm))
            run = replace(run, found=True, paged_at=now)
        elif number + 1 < len(run.steps):
            run = replace(run, forward_s=run.forward_s + run.steps[number + 1].after_s - step.after_s)
        if not run.found and all(later.alarm for later in run.steps[run.next_step :]):
            pagings.append(Paging(step=number, people=everybody(facts), alarm=True, broadcast=True))
            run = replace(run, found=True, paged_at=now)
    if run.next_step == len(run.steps) and run.claim is None and not pagings:
        run, pagings = _round(run, facts, now)
    return run, _each_once(pagings)


def next_look(run: Run) -> datetime | None:
    """Return when `advance` has something to do; None: never."""
    if run.ended_at is not None:
        return None
    if run.claim is not None:
        return min([lapses_at(run.claim), *(_alarms(run) if run.claim.until is None else [])])
    if run.next_step < len(run.steps):
        return due(run, run.next_step)
    return (run.paged_at or run.started_at) + ROUND


def lapses_at(claim: Claim) -> datetime:
    """Return when a claim lapses, unless an attempt has ended the run."""
    return claim.until or claim.at + LAPSE


def holder(run: Run, now: datetime) -> int | None:
    """Return who holds it."""
    return None if run.claim is None or lapses_at(run.claim) <= now else run.claim.person_id


def claimed(run: Run, person_id: int, now: datetime) -> Run | None:
    """Return the run held by somebody, who has answered by it; None where another one holds it, or it has ended (invariant 9)."""
    who = holder(run, now)
    if run.ended_at is not None or (who is not None and who != person_id):
        return None
    run = acknowledged(run, person_id, now)
    return run if who == person_id else replace(run, claim=Claim(person_id, now))


def acknowledged(run: Run, person_id: int, now: datetime) -> Run:
    """Return the run with who answered first. It goes on: to be awake is not to call back (invariant 10)."""
    if run.engaged_at is not None or run.ended_at is not None:
        return run
    return replace(run, engaged_by=person_id, engaged_at=now)


def handed_on(run: Run, person_id: int, now: datetime) -> Run | None:
    """Return the run whose next step is due at once; None where somebody else holds it, or it has ended."""
    who = holder(run, now)
    if run.ended_at is not None or (who is not None and who != person_id):
        return None
    return _at_once(replace(acknowledged(run, person_id, now), claim=None), now)


def held(run: Run, person_id: int, now: datetime) -> Run | None:
    """Return the run held by somebody for as long again: his attempt begins, or has ended. None as for `claimed`."""
    who = holder(run, now)
    if run.ended_at is not None or (who is not None and who != person_id):
        return None
    return replace(acknowledged(run, person_id, now), claim=Claim(person_id, now))


def talking(run: Run, person_id: int, now: datetime, until: datetime) -> Run:
    """Return the run held by somebody who talks with whoever is owed a call, whoever else had claimed it."""
    if run.ended_at is not None:
        return run
    return replace(acknowledged(run, person_id, now), claim=Claim(person_id, now, until))


def let_go(run: Run) -> Run:
    """Return the run that nobody holds; what a claim has held comes at once."""
    return replace(run, claim=None)


def fell_flat(run: Run, step: int, now: datetime) -> Run:
    """Return the run after no page of a step could be sent: it is as if the step were empty."""
    if run.ended_at is not None or run.claim is not None or step != run.next_step - 1:
        return run
    return _at_once(run, now)


def _at_once(run: Run, now: datetime) -> Run:
    """Make the next step due now, and what follows as much earlier; an alarm keeps its time."""
    if run.next_step >= len(run.steps) or run.steps[run.next_step].alarm:
        return run
    late = (due(run, run.next_step) - now).total_seconds()
    return run if late <= 0 else replace(run, forward_s=run.forward_s + int(-(-late // 1)))


def ended(run: Run, because: str, now: datetime) -> Run:
    """Return the run that pages nobody any more."""
    return run if run.ended_at is not None else replace(run, ended_at=now, ended_because=because, claim=None)


def whom(targets: Iterable[Target], facts: Facts) -> tuple[int, ...]:
    """Return who is meant and can be reached, each once."""
    found: list[int] = []
    for target in targets:
        match target.whom:
            case Whom.SCHEDULE:
                found += facts.on_duty.get(target.name, ())
            case Whom.TAM:
                found += () if facts.tam is None else (facts.tam,)
            case Whom.ROLE:
                found += facts.by_role.get(target.name, ())
            case Whom.PERSON:
                found += (int(target.name),) if target.name.isdigit() else ()
            case Whom.EVERYBODY:
                found += facts.roster
    return tuple(person for person in dict.fromkeys(found) if person in facts.reachable)


def everybody(facts: Facts) -> tuple[int, ...]:
    """Return everybody of the roles oncall and admin who can be reached (E27)."""
    return whom((Target(Whom.ROLE, ONCALL), Target(Whom.ROLE, ADMIN)), facts)


def rung_live(steps: Iterable[Step], facts: Facts) -> tuple[int, ...]:
    """Return who is on duty and may be connected with a caller at once, best first: whom a ladder would wake before it wakes
    everybody. Where no schedule names anybody, those of role oncall.
    """
    targets: list[Target] = []
    for step in steps:
        if step.alarm or any(target.whom is Whom.EVERYBODY for target in step.targets):
            break
        targets += [target for target in step.targets if target.whom in (Whom.SCHEDULE, Whom.TAM)]
    found = whom(targets, facts)
    if found or facts.is_scheduled:
        return found
    return whom((Target(Whom.ROLE, ONCALL),), facts)


def may_page(severity: Severity, within_the_hour: int) -> bool:
    """Return whether a page may go out. within_the_hour: those that this person had by this channel."""
    return severity is Severity.ONE or within_the_hour < PER_HOUR


def words(run: Run, *, alarm: bool) -> str:
    """Return what a page says. It names no customer and no problem: pages are read on locked screens and by strangers."""
    what = "Severity 1" if run.severity is Severity.ONE else "On-call"
    lines = [f"{what}: {run.reference}."]
    if run.due_at is not None:
        lines.append(f"A call-back is due at {run.due_at:%H:%M:%S} UTC.")
    if alarm:
        lines.append("It is about to be missed." if run.due_at is not None else "Nobody has answered.")
    lines.append("Claim it, or hand it on.")
    return " ".join(lines)


def _alarms(run: Run) -> list[datetime]:
    return [due(run, number) for number in range(run.next_step, len(run.steps)) if run.steps[number].alarm]


def _alarm_is_due(run: Run, now: datetime) -> bool:
    """Return whether an alarm has come over a claim; steps before it that the claim has held come with it."""
    talks = run.claim is not None and run.claim.until is not None
    return not talks and any(alarm <= now for alarm in _alarms(run))


def _round(run: Run, facts: Facts, now: datetime) -> tuple[Run, list[Paging]]:
    """After the last step: page everybody again, from time to time, for as long as it can matter."""
    look = next_look(run)
    if look is None or look > now:
        return run, []
    if run.rounds >= MOST_ROUNDS or run.severity is not Severity.ONE:
        return ended(run, "nobody answered", now), []
    paging = Paging(step=len(run.steps), people=everybody(facts), alarm=True)
    return replace(run, rounds=run.rounds + 1, paged_at=now), [paging]


def _each_once(pagings: list[Paging]) -> list[Paging]:
    """Let nobody be paged twice at one moment because steps fell together."""
    seen: set[int] = set()
    once = []
    for paging in pagings:
        people = tuple(person for person in paging.people if person not in seen)
        seen.update(people)
        if people or paging.broadcast or paging.alarm:
            once.append(replace(paging, people=people))
    return once
