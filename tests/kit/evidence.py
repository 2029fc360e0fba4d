"""What a door told the evidence, kept in memory."""

from homing.evidence.types import FaultTag


class Told:
    """One attempt."""

    def __init__(self, told: "Evidence", second: int, account_id: int | None, key: str) -> None:
        self.told = told
        self.second = second
        self.account_id = account_id
        self.key = key

    def belongs_to(self, account_id: int) -> None:
        self.account_id, self.key = account_id, ""

    def ended(self, fault: FaultTag, code: str) -> None:
        self.told.open.remove(self)
        self.told.ended.append((self.account_id, fault))
        self.told.codes.append(code)
        self.told.seconds.append(self.second)
        self.told.keys.append(self.key)


class Evidence:
    """Begins attempts.

    open     those under way
    ended    account and fault of the others, in order
    counted  of them, all that can be judged
    """

    def __init__(self) -> None:
        self.open: list[Told] = []
        self.ended: list[tuple[int | None, FaultTag]] = []
        self.codes: list[str] = []
        self.seconds: list[int] = []
        self.keys: list[str] = []

    @property
    def counted(self) -> list[tuple[int | None, FaultTag]]:
        return [one for one in self.ended if one[1] is not FaultTag.VOID]

    def begin(self, second: int, account_id: int | None = None, key: str = "") -> Told:
        made = Told(self, second, account_id, key)
        self.open.append(made)
        return made
