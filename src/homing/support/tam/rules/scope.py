"""What help with onboarding does not include (clause B4), and where such work belongs."""

from types import MappingProxyType
from typing import NamedTuple

from homing.support.cases.types import Side
from homing.support.tam.types import Task, TaskKind

CLAUSE = "B4"


class Exclusion(NamedTuple):
    """One sort of work that only the customer can own."""

    words: str
    route: str


EXCLUDED = MappingProxyType(
    {
        TaskKind.TEMPLATE_CREATION: Exclusion(
            "creating the Customer's templates",
            "give the task to the customer; the TAM explains the template language, and its preview shows what is wrong",
        ),
        TaskKind.TEMPLATE_TRANSLATION: Exclusion(
            "translating the Customer's templates",
            "give the task to the customer; templates of other platforms are converted by `homing templates import`",
        ),
        TaskKind.CUSTOMER_PROJECT: Exclusion(
            "running the Customer's internal projects",
            "give the task to the customer; what the project needs of the platform can be a task of its own",
        ),
    }
)


def refused(task: Task) -> Exclusion | None:
    """Return why a task cannot be the provider's; None: it can stand as it is."""
    return EXCLUDED.get(task.kind) if task.owner is not Side.CUSTOMER else None
