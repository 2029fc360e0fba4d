"""Two-sided resolution (model, section 3.3, S1 to S7; clauses E6 and F6): who agreed to which exact words, and what is no yes.

Nothing here guesses in our favour: words that are not plainly a yes let the work go on, and a signature counts only if
nothing contradicts it.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from homing.support.cases.happened import Payload, Refused, Signed
from homing.support.cases.rules.reading import own_words
from homing.support.cases.types import Case, Message, Method, Proposal, Side, Signature

LONGEST_TEXT = 10_000
# S6: what under an approval makes it doubtful. A false alarm costs the customer one more click.
_DOUBT = re.compile(
    r"\?|？|\b(?:still|not|but|however|although|though|except|unless|yet|again|only|until|cannot|never|no longer|nor|\w+n['’]t|"
    r"partly|partially|almost|slow|slower|fails?|failing|failed|errors?|broken|wrong|worse|issues?|problems?|"
    r"aber|noch|nicht|kein\w*|jedoch|trotzdem|leider|au(?:ß|ss)er|wieder|obwohl|langsam|"
    r"mais|encore|pas|toujours|cependant|sauf|jamais|lente?|"
    r"pero|todav[ií]a|a[uú]n|sin embargo|excepto|lento|ma|ancora|per[oò]|non|tuttavia|mas|ainda|n[aã]o|por[eé]m|"
    r"maar|nog|niet|geen)\b",
    re.IGNORECASE,
)
_YES = re.compile(
    r"\W*(?:yes|yep|yeah|ok|okay|agree[ds]?|i agree|we agree|approved?|i approve|confirm(?:ed)?|i confirm|accept(?:ed)?|resolved|"
    r"solved|fixed|(?:it |that |this |all )?works?|(?:it(?:'s| is) |that(?:'s| is) )?(?:working|fine|good|done|over)|"
    r"all good|looks good|lgtm|"
    r"ja|einverstanden|best[aä]tigt|passt|gel[oö]st|erledigt|funktioniert|oui|d['’]accord|confirm[eé]|r[eé]solu|"
    r"s[ií]|de acuerdo|confirmado|resuelto|sim|concordo|va bene|d['’]accordo|akkoord)\b",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\W*(?:no|nope|disagree|i disagree|we disagree|refused?|rejected?|i do not agree|i don['’]t agree|not (?:yet )?"
    r"(?:resolved|solved|fixed|agreed|ok|okay|done|working)|(?:it |this |that )?(?:does not|doesn['’]t|is not|isn['’]t|still)\b|"
    r"nein|nicht (?:gel[oö]st|einverstanden|behoben)|non\b|pas (?:r[eé]solu|d['’]accord)|nee)\b",
    re.IGNORECASE,
)


class Answer(StrEnum):
    """What words under a proposal mean."""

    YES = "yes"  # plainly, and nothing else
    DOUBT = "doubt"  # a yes that something contradicts
    NO = "no"
    WORDS = "words"  # anything else


def digest(text: str) -> str:
    """Return what people sign: the SHA-256 of the exact words, as hex (S1)."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def contradicts(words: str) -> bool:
    """Return whether words under an approval ask for one more step before it counts (S6)."""
    return _DOUBT.search(words) is not None


def meaning(words: str) -> Answer:
    """Return what a customer's own words (without what he quotes) mean under a proposal."""
    if _YES.match(words):
        return Answer.DOUBT if contradicts(words) else Answer.YES
    return Answer.NO if _NO.match(words) else Answer.WORDS


def all_agree(words: Sequence[str]) -> bool:
    """Return whether everything that a customer has written says plainly yes."""
    return all(meaning(one) is Answer.YES for one in words)


def why_no_consent(proposal: Proposal, message: Message) -> str:
    """Return why a message of the customer cannot be entered as his consent to a proposal, in a sentence; '' where it can.

    Nobody agrees to what he cannot have read yet: only what came after the proposal speaks of it.
    """
    known_at = proposal.sent_at if proposal.side is Side.PROVIDER else proposal.proposed_at
    if known_at is None:
        return "the proposal has not left yet; what the customer wrote before cannot agree to it"
    if message.received_at <= known_at:
        return "this message is older than the proposal; evidence is what the customer wrote after he was sent it"
    if message.automatic:
        return "this message was written by a machine"
    if meaning(own_words(message.body)) is Answer.NO:
        return "this message says no"
    return ""


def takes_back(case: Case, words: str) -> list[Payload]:
    """Return what becomes of the customer's own proposal when he goes on speaking: what he signed there he means no more (S5)."""
    proposal = case.proposal
    if proposal is None or proposal.side is not Side.CUSTOMER:
        return []
    return [Refused(version=proposal.version, words=words[:500])]


def valid(proposal: Proposal, signatures: Sequence[Signature]) -> list[Signature]:
    """Return the signatures that count for a proposal: on its very words, and not void (S5)."""
    if not proposal.stands:
        return []
    return [one for one in signatures if not one.void and (one.version, one.sha256) == (proposal.version, digest(proposal.text))]


def signature(signed: Signed, at: datetime) -> Signature:
    """Return the signature that an event adds."""
    return Signature(
        version=signed.version,
        sha256=signed.sha256,
        side=signed.by,
        person=signed.person,
        email=signed.email,
        method=signed.method,
        evidence=signed.evidence,
        call=signed.call,
        at=at,
        entered_by=signed.entered_by,
        dispute_until=signed.dispute_until,
    )


def said_on(entered: Signature) -> str:
    """Return by what a consent was entered, in words: of a call also whether it stands in our own logs."""
    if entered.method is not Method.CALL:
        return f"{entered.method.value}: {entered.evidence}"
    if entered.call:
        return f"recorded {entered.call}"
    return f"a recorded call outside of our own logs: {entered.evidence}"


def is_agreed(proposal: Proposal, signatures: Sequence[Signature]) -> bool:
    """Return whether both sides agreed to the same words, by different people (S2, S3)."""
    counting = valid(proposal, signatures)
    ours = [one for one in counting if one.side is Side.PROVIDER]
    theirs = [one for one in counting if one.side is Side.CUSTOMER]
    return any(our.email != their.email for our in ours for their in theirs)


def may_sign(proposal: Proposal, signatures: Sequence[Signature], *, side: Side, email: str) -> str:
    """Return why somebody cannot sign, in a sentence; '' where he can."""
    counting = valid(proposal, signatures)
    if not proposal.stands:
        return "this proposal was refused, or a newer one took its place"
    if any(one.side is side for one in counting):
        return "your side has signed already"
    if any(one.email == email for one in counting):
        return "one person never signs for both sides"
    return ""
