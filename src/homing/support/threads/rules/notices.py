"""What mails of a thread say. While somebody stands in for a TAM, both are named (E26)."""

from homing.contracts.types import Tam
from homing.support.cases.rules.addresses import without_token
from homing.support.threads.types import Message, Sort

_WHAT = {
    Sort.WORD: "has written to the Technical Account Manager",
    Sort.VOICEMAIL: "has left a voicemail for the Technical Account Manager",
}
_CALLED = "has called the Technical Account Manager"


def answer_subject(said: str) -> str:
    """Return the subject of an answer. said: the subject that it answers; '': it answers a call."""
    bare = without_token(said)
    return f"Re: {bare}" if bare else "Your call to your Technical Account Manager"


def answer_foot(author: str, tam: Tam | None) -> str:
    """Return what stands under an answer."""
    lines = ["-- ", author]
    if tam is not None and tam.acting.person_id != tam.primary.person_id:
        lines.append(f"{tam.acting.name} stands in for {tam.primary.name}, your Technical Account Manager.")
    elif tam is not None and tam.primary.name != author:
        lines.append(f"Your Technical Account Manager is {tam.primary.name}.")
    return "\n".join(lines) + "\n"


def notice(message: Message, *, account: str, contact: str, due: str, tam: Tam | None) -> tuple[str, str]:
    """Return subject and text of the mail that tells whoever acts as TAM of a message. due: of the answer; '': none is."""
    who = f"{contact or message.sender or 'Somebody'} of {account}"
    lines = [f"{who} {_WHAT.get(message.sort, _CALLED)}."]
    if message.subject:
        lines.append(f"Subject: {message.subject}")
    if message.remark:
        lines.append(message.remark)
    if due:
        lines.append(f"An answer is due at {due}. It is an objective of ours, not a term of the contract.")
    if tam is not None and tam.acting.person_id != tam.primary.person_id:
        away = f" ({tam.away_because})" if tam.away_because else ""
        lines.append(f"You stand in for {tam.primary.name}{away}, who keeps the oversight of this account.")
    lines.append(f"`homing tam thread {account}` shows it; `homing tam answer {account}` answers.")
    lines.append("-- \nAn answer to this mail becomes an internal note.")
    return f"{account}: a message for the TAM", "\n\n".join(lines) + "\n"
