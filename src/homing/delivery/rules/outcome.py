"""What an attempt means for the message: delivered, later, or never; and who else would hear the same answer.

The principles (RFC 5321 section 4.2.1):
- 4xx is always temporary, whatever its text says. Trouble without a reply is temporary too, unless the recipient's
  domain says itself that it takes no mail (null MX), or the host cannot take this very message (SMTPUTF8, SIZE).
- 5xx to the message, its sender or its recipient is final. Two exceptions: a reply about our address or our rate that
  the rules call passing (`IB504 too many messages this hour`), and a bare 503, which tells of a session out of step.
- 5xx before the first command of a message says nothing about messages: the site is left alone and tried later.
- A domain that does not exist is tried until the message expires, as SparkPost does (class 21, soft): a zone can
  vanish for a day, and an expired message costs little.
"""

import msgspec

from homing.delivery.types import Attempt, Bounced, Deferred, Delivered, Outcome, Reply, Scope, Stage, Trouble
from homing.events.rules.classify import Classification, Classifier

INTERNAL = "[internal]"
_BEFORE_A_MESSAGE = (Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS)
_OUT_OF_STEP = ("protocol", "no-rcpt")
# Rules that speak of one triple of sender, recipient and address, or of one host, although the throttle is the address.
_SCOPE_OF_RULE = {"greylist": Scope.RECIPIENT, "addr-verify": Scope.RECIPIENT, "try-primary": Scope.SESSION}
_SCOPE_OF_THROTTLE = {
    "recipient": Scope.RECIPIENT,
    "recipient_domain": Scope.RECIPIENT,
    "message": Scope.MESSAGE,
    "sending_domain": Scope.MESSAGE,
}
_WORDS = {
    Stage.GREETING: "the greeting",
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.MAIL: "MAIL FROM",
    Stage.RCPT: "RCPT TO",
    Stage.DATA: "DATA",
    Stage.END_OF_DATA: "the end of the message",
}


class _Verdict(msgspec.Struct, frozen=True):
    """What a trouble without a reply comes to; the text follows the code and `[internal]`."""

    code: str
    enhanced: str
    text: str
    bounce_class: int
    subclass: str
    scope: Scope
    final: bool = False
    suppress: str = "never"


_UNREACHED = "no mail servers for this domain could be reached at this time"
_VERDICTS = {
    Trouble.REFUSED: _Verdict("451", "4.4.0", _UNREACHED, 24, "connection.refused", Scope.SITE),
    Trouble.UNREACHABLE: _Verdict("451", "4.4.0", _UNREACHED, 24, "connection.unreachable", Scope.SITE),
    Trouble.CONNECT_TIMEOUT: _Verdict("451", "4.4.0", _UNREACHED, 24, "connection.timeout", Scope.SITE),
    Trouble.TIMEOUT: _Verdict("451", "4.4.2", "no answer in time to", 24, "connection.timeout", Scope.SESSION),
    Trouble.DROPPED: _Verdict("451", "4.4.2", "connection lost at", 24, "connection.lost", Scope.SESSION),
    Trouble.TLS_FAILED: _Verdict("454", "4.7.5", "TLS could not be set up", 70, "infra.tls_failure", Scope.SITE),
    Trouble.NOT_SMTP: _Verdict("451", "4.5.0", "the host does not speak SMTP at", 40, "protocol", Scope.SESSION),
    Trouble.FORBIDDEN_ADDRESS: _Verdict(
        "454", "4.4.4", "MX of domain points to an address that mail cannot go to", 21, "dns.forbidden_address", Scope.SITE
    ),
    Trouble.NO_SUCH_DOMAIN: _Verdict("454", "4.4.4", "no MX or A for domain", 21, "dns.not_found", Scope.SITE),
    Trouble.NO_HOSTS: _Verdict("454", "4.4.4", "no MX or A for domain", 21, "dns.no_hosts", Scope.SITE),
    Trouble.NULL_MX: _Verdict(
        "556", "5.1.10", "domain takes no mail (null MX)", 10, "recipient.null_mx", Scope.SITE, final=True, suppress="immediate"
    ),
    Trouble.DNS_TEMPORARY: _Verdict("451", "4.4.3", "DNS failed temporarily for domain", 21, "dns.temporary", Scope.SITE),
    Trouble.CNAME_LOOP: _Verdict("454", "4.4.4", "CNAME loop for domain", 21, "dns.loop", Scope.SITE),
    Trouble.NEEDS_SMTPUTF8: _Verdict(
        "553", "5.6.7", "the host does not take internationalised mail", 40, "message.smtputf8", Scope.MESSAGE, final=True
    ),
    Trouble.TOO_LARGE: _Verdict(
        "552", "5.3.4", "message is larger than the host takes", 23, "message.too_large", Scope.MESSAGE, final=True
    ),
    Trouble.NO_CAPACITY: _Verdict("451", "4.3.0", "Sending IP temporarily suspended", 70, "internal.capacity", Scope.SESSION),
    Trouble.CRASHED: _Verdict("451", "4.3.0", "an error of our own, it will be tried again", 70, "internal.error", Scope.MESSAGE),
}
# What a message expires of that waited for a sender who is suspended (queue/holds.py): our policy, not a mailbox's state.
_SUSPENDED = tuple(
    _Verdict("451", "4.7.1", f"the {who} is ", 25, "queue.expired", Scope.MESSAGE) for who in ("account", "subaccount")
)
_AT_A_STAGE = (Trouble.TIMEOUT, Trouble.DROPPED, Trouble.NOT_SMTP)


def judge(attempt: Attempt, *, rules: Classifier, provider: str = "") -> Outcome:
    """Return what an attempt came to.

    provider   mailbox provider's name; a hint that no rule needs today: the texts themselves tell providers apart
    """
    reply = attempt.reply
    if reply is None:
        return _without_reply(attempt)
    if 200 <= reply.code < 300 and attempt.stage is Stage.END_OF_DATA:
        return Delivered(reply)
    if not 400 <= reply.code < 600:
        note = f"unexpected {reply.text[:200]}"
        return _without_reply(msgspec.structs.replace(attempt, reply=None, trouble=Trouble.NOT_SMTP, note=note))
    found = rules.classify(reply.text)
    if reply.code < 500 or _is_passing(attempt.stage, reply, found):
        return Deferred(
            scope=_scope(attempt.stage, reply, found),
            reason=reply.text,
            code=str(reply.code),
            bounce_class=found.bounce_class,
            subclass=found.subclass,
            retry="normal" if found.retry == "no" else found.retry,
        )
    if attempt.stage is Stage.MAIL and found.bounce_class in (10, 20, 22):
        # "Unknown user" as the answer to MAIL speaks of our sender; the recipient has not been named yet.
        return Bounced(reason=reply.text, code=str(reply.code), bounce_class=50, subclass="sender.rejected")
    return Bounced(
        reason=reply.text,
        code=str(reply.code),
        bounce_class=found.bounce_class,
        subclass=found.subclass,
        suppress=found.suppress,
    )


def expired(last_reason: str, *, rules: Classifier) -> Bounced:
    """Return the end of a message that outlived its time, classified by the last reason to wait (SparkPost).

    last_reason   of the last Deferred, or '' if the message was never tried
    """
    text = f"554 5.4.7 {INTERNAL} message timeout"
    if not last_reason:
        return Bounced(reason=text, code="554", bounce_class=24, subclass="queue.expired")
    reason = f"{text} (last transfail: {last_reason})"
    if INTERNAL in last_reason:
        verdict = _of_internal_text(last_reason)
        if verdict is None:
            return Bounced(reason=reason, code="554", bounce_class=24, subclass="queue.expired")
        # A domain that cannot be found for three days, several times over, is not worth more attempts.
        suppress = "after_repeats" if verdict.subclass in ("dns.not_found", "dns.no_hosts") else "never"
        return Bounced(reason=reason, code="554", bounce_class=verdict.bounce_class, subclass=verdict.subclass, suppress=suppress)
    found = rules.classify(last_reason)
    # What only ever said "later" never suppresses at once; a mailbox that stayed full for three days counts as one strike.
    suppress = "after_repeats" if found.bounce_class == 22 else "never"
    return Bounced(reason=reason, code="554", bounce_class=found.bounce_class, subclass=found.subclass, suppress=suppress)


def _is_passing(stage: Stage, reply: Reply, found: Classification) -> bool:
    if stage in _BEFORE_A_MESSAGE:
        return True
    if reply.code == 503:
        return found.rule_id in _OUT_OF_STEP or found.rule_id.startswith(("basic:", "enh:"))
    return found.throttle in ("ip_provider", "connection") and found.retry in ("normal", "backoff")


def _scope(stage: Stage, reply: Reply, found: Classification) -> Scope:
    if stage in _BEFORE_A_MESSAGE:
        return Scope.SITE
    if found.rule_id in _SCOPE_OF_RULE:
        return _SCOPE_OF_RULE[found.rule_id]
    if found.throttle == "ip_provider" and found.retry in ("backoff", "pause"):
        return Scope.SITE
    if reply.code in (421, 503) or found.throttle == "connection":
        return Scope.SESSION
    if found.throttle in _SCOPE_OF_THROTTLE:
        return _SCOPE_OF_THROTTLE[found.throttle]
    if stage is Stage.RCPT:
        return Scope.RECIPIENT  # "try again later" to a recipient is most often greylisting by another name
    return Scope.SESSION if stage is Stage.MAIL and found.throttle == "ip_provider" else Scope.MESSAGE


def _without_reply(attempt: Attempt) -> Outcome:
    verdict = _VERDICTS[attempt.trouble or Trouble.CRASHED]
    text = verdict.text
    if attempt.trouble in _AT_A_STAGE:
        text = f"{text} {_WORDS.get(attempt.stage, attempt.stage)}"
    if attempt.sent_end_of_data:
        text += "; the message had left and may have been taken"
    where = f"{attempt.host} [{attempt.address}]" if attempt.address else ""
    detail = ": ".join(part for part in (where, attempt.note) if part)
    reason = f"{verdict.code} {verdict.enhanced} {INTERNAL} {text}" + (f" ({detail})" if detail else "")
    if verdict.final:
        return Bounced(
            reason=reason,
            code=verdict.code,
            bounce_class=verdict.bounce_class,
            subclass=verdict.subclass,
            suppress=verdict.suppress,
        )
    scope = Scope.SITE if attempt.stage in _BEFORE_A_MESSAGE and verdict.scope is Scope.SESSION else verdict.scope
    if attempt.trouble is Trouble.NO_CAPACITY:
        scope = Scope.SESSION  # ours, not theirs: the site must not be held for it
    return Deferred(scope=scope, reason=reason, code=verdict.code, bounce_class=verdict.bounce_class, subclass=verdict.subclass)


def _of_internal_text(reason: str) -> _Verdict | None:
    """Return the verdict that a text of ours was made of: it is told by its words, which follow `[internal]`."""
    words = reason.partition(INTERNAL)[2].lstrip()
    return next((verdict for verdict in (*_VERDICTS.values(), *_SUSPENDED) if words.startswith(verdict.text)), None)
