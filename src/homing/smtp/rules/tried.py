"""What one connection attempted, for the evidence: each transaction, or the connection itself where none began.

A transaction is an attempt from MAIL to the answer to its end of data. It belongs to the second in which MAIL came, and ends
with the fault of that answer; a recipient refused on the way ends nothing. A connection of a known account in which no
transaction began is an attempt too, and belongs to the second of the connect: AUTH that cannot be checked, for example.
"""

from collections.abc import Callable

from homing.evidence.types import Attempt, Begin, FaultTag
from homing.smtp.replies import Reason, Reply

_NO_TRANSACTION = frozenset({Reason.SYNTAX, Reason.ORDER})  # a MAIL refused for these began nothing
_OURS = frozenset({FaultTag.SERVER, FaultTag.TIMEOUT})


class Tried:
    """One connection.

    begin     the evidence journal
    heard_at  Unix second in which the octets that are being read came
    """

    __slots__ = ("_account_id", "_any", "_begin", "_connected_at", "_connection", "_heard_at", "_refusal", "_transaction")

    def __init__(self, begin: Begin, heard_at: Callable[[], int]) -> None:
        self._begin = begin
        self._heard_at = heard_at
        self._connected_at = heard_at()
        self._account_id: int | None = None
        self._connection: Attempt | None = None  # while no transaction has begun
        self._transaction: Attempt | None = None
        self._refusal: Reply | None = None  # the one that the transaction ends with if nothing better comes
        self._any = False

    def known(self, account_id: int) -> None:
        """Say whose connection it is: a trusted network's, or AUTH succeeded."""
        self._account_id = account_id
        if self._any:
            return
        if self._connection is None:
            self._connection = self._begin(self._connected_at, account_id)
        else:
            self._connection.belongs_to(account_id)

    def stranded(self, badge: str, reply: Reply) -> None:
        """AUTH could not be checked, through no fault of whoever showed this key."""
        if self._any or self._connection is not None:
            return
        self._any = True
        self._begin(self._connected_at, None, badge).ended(reply.fault, reply.label)

    def mail(self, reply: Reply) -> None:
        """MAIL was answered."""
        if reply.reason in _NO_TRANSACTION or self._account_id is None:
            return
        self._void_connection()
        attempt = self._begin(self._heard_at(), self._account_id)
        if reply.is_refusal:
            attempt.ended(reply.fault, reply.label)
        else:
            self._transaction, self._refusal = attempt, None

    def heard(self, reply: Reply) -> None:
        """Note any other answer within a transaction."""
        if self._transaction is not None and reply.is_refusal and (self._refusal is None or reply.fault in _OURS):
            self._refusal = reply

    def answered(self, reply: Reply) -> None:
        """The end of data was answered: the transaction is over."""
        self._end(reply.fault, reply.label)

    def left(self) -> None:
        """The client itself ended the transaction before its end of data: RSET, EHLO, QUIT. We had answered all of it."""
        refusal = self._refusal
        if refusal is None:
            self._end(FaultTag.NONE, "250")
        else:
            self._end(refusal.fault, refusal.label)

    def over(self, last: Reply | None) -> None:
        """The connection is over. last: our last word if we ended it; None: the client was gone."""
        if last is not None and not last.is_refusal:  # QUIT
            self.left()
        if self._transaction is not None:
            if last is not None:
                self._end(last.fault, last.label)
            elif self._refusal is not None and self._refusal.fault in _OURS:
                self._end(self._refusal.fault, self._refusal.label)
            else:
                self._end(FaultTag.VOID, "")
        connection, self._connection = self._connection, None
        if connection is not None:
            if last is None:
                connection.ended(FaultTag.VOID, "")
            else:
                connection.ended(last.fault, last.label)

    def _void_connection(self) -> None:
        self._any = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.ended(FaultTag.VOID, "")

    def _end(self, fault: FaultTag, code: str) -> None:
        attempt, self._transaction, self._refusal = self._transaction, None, None
        if attempt is not None:
            attempt.ended(fault, code)
