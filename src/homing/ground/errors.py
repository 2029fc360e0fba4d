"""Three kinds of exception, by what the catcher should do. Outcomes that the business expects are values instead."""


class HomingError(Exception):
    """Any error of ours."""


class Temporary(HomingError):
    """It may work later: retry, answer 4xx / 503, keep the mail."""


class Permanent(HomingError):
    """It will never work: give up and record why."""


class Misuse(HomingError):
    """A bug or a wrong setting: the caller must change; the text says how."""


class StoreUnavailable(Temporary):
    """PostgreSQL cannot take the write now."""


class Overloaded(Temporary):
    """A bound of ours is reached (memory, disk, connections); the text says which, in words for strangers."""


class LeaseLost(Temporary):
    """The shard has another owner by now; whatever was not committed is not ours any more."""
