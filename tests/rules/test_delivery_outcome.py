"""What an attempt means: delivered, later, or never, and for whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.delivery.rules.outcome import expired, judge
from homing.delivery.types import Attempt, Bounced, Deferred, Delivered, Reply, Scope, Stage, Trouble
from homing.events.rules.classify import Classifier

RULES = Classifier.from_package()


def replied(stage, text):
    return judge(Attempt(stage=stage, reply=Reply(int(text[:3]), (text[4:],))), rules=RULES)


def failed(stage, trouble, **more):
    return judge(Attempt(stage=stage, trouble=trouble, **more), rules=RULES)


def test_a_positive_answer_to_the_message_is_a_delivery():
    assert replied(Stage.END_OF_DATA, "250 2.0.0 queued") == Delivered(Reply(250, ("2.0.0 queued",)))


@pytest.mark.parametrize(
    ("stage", "text", "scope"),
    [
        (Stage.GREETING, "421 4.7.0 too busy", Scope.SITE),
        (Stage.GREETING, "554 5.7.1 your address is blocked", Scope.SITE),
        (Stage.EHLO, "550 5.7.1 go away", Scope.SITE),
        (Stage.RCPT, "450 4.2.1 later", Scope.RECIPIENT),
        (Stage.RCPT, "452 4.2.2 mailbox full", Scope.RECIPIENT),
        (Stage.RCPT, "450 4.7.1 greylisted, come back in five minutes", Scope.RECIPIENT),
        (Stage.RCPT, "451 4.7.1 service unavailable, try again later", Scope.RECIPIENT),
        (Stage.MAIL, "451 4.3.0 temporary failure", Scope.SESSION),
        (Stage.END_OF_DATA, "451 4.3.0 temporary failure", Scope.MESSAGE),
        (Stage.MAIL, "451 4.1.8 hm", Scope.MESSAGE),
        (Stage.END_OF_DATA, "451 4.6.0 hm", Scope.MESSAGE),
        (Stage.END_OF_DATA, "421 4.4.2 bye", Scope.SESSION),
        (Stage.MAIL, "421 too many connections from your host", Scope.SITE),
        (Stage.END_OF_DATA, "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail", Scope.SITE),
        (Stage.RCPT, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints", Scope.SITE),
        (Stage.MAIL, "450 max messages per connection", Scope.SESSION),
        (Stage.RCPT, "550 This IP has sent too many messages this hour. IB504", Scope.SITE),
        (Stage.DATA, "503 5.5.1 bad sequence of commands", Scope.SESSION),
    ],
)
def test_a_temporary_answer_reaches_as_far_as_it_says(stage, text, scope):
    outcome = replied(stage, text)
    assert isinstance(outcome, Deferred)
    assert outcome.scope is scope
    assert outcome.reason == text
    assert outcome.code == text[:3]
    assert outcome.retry in ("normal", "backoff", "pause")


@pytest.mark.parametrize(
    ("stage", "text", "bounce_class", "suppress"),
    [
        (Stage.RCPT, "550 5.1.1 no such user", 10, "immediate"),
        (Stage.RCPT, "552 5.2.2 mailbox full", 22, "after_repeats"),
        (Stage.END_OF_DATA, "554 5.7.1 message looks like spam", 52, "never"),
        (Stage.MAIL, "550 5.7.1 192.0.2.1 is listed at zen.spamhaus.org", 51, "never"),
        (Stage.MAIL, "550 5.1.1 user unknown", 50, "never"),
        (Stage.END_OF_DATA, "552 5.3.4 message too big", 23, "never"),
        (Stage.RCPT, "554 no", 50, "never"),
    ],
)
def test_a_permanent_answer_is_a_bounce(stage, text, bounce_class, suppress):
    outcome = replied(stage, text)
    assert isinstance(outcome, Bounced)
    assert (outcome.bounce_class, outcome.suppress, outcome.reason) == (bounce_class, suppress, text)


@pytest.mark.parametrize(
    ("stage", "trouble", "scope", "bounce_class", "start"),
    [
        (Stage.DNS, Trouble.NO_SUCH_DOMAIN, Scope.SITE, 21, "454 4.4.4 [internal] no MX or A for domain"),
        (Stage.DNS, Trouble.NO_HOSTS, Scope.SITE, 21, "454 4.4.4 [internal] no MX or A for domain"),
        (Stage.DNS, Trouble.DNS_TEMPORARY, Scope.SITE, 21, "451 4.4.3 [internal] DNS failed temporarily"),
        (Stage.DNS, Trouble.FORBIDDEN_ADDRESS, Scope.SITE, 21, "454 4.4.4 [internal] MX of domain points to"),
        (Stage.CONNECT, Trouble.REFUSED, Scope.SITE, 24, "451 4.4.0 [internal] no mail servers for this domain could"),
        (Stage.CONNECT, Trouble.NO_CAPACITY, Scope.SESSION, 70, "451 4.3.0 [internal] Sending IP temporarily suspended"),
        (Stage.GREETING, Trouble.TIMEOUT, Scope.SITE, 24, "451 4.4.2 [internal] no answer in time to the greeting"),
        (Stage.RCPT, Trouble.DROPPED, Scope.SESSION, 24, "451 4.4.2 [internal] connection lost at RCPT TO"),
        (Stage.STARTTLS, Trouble.TLS_FAILED, Scope.SITE, 70, "454 4.7.5 [internal] TLS could not be set up"),
        (Stage.DATA, Trouble.NOT_SMTP, Scope.SESSION, 40, "451 4.5.0 [internal] the host does not speak SMTP at DATA"),
        (Stage.RENDER, Trouble.CRASHED, Scope.MESSAGE, 70, "451 4.3.0 [internal] an error of our own"),
        (Stage.MAIL, None, Scope.MESSAGE, 70, "451 4.3.0 [internal] an error of our own"),
    ],
)
def test_trouble_without_an_answer_is_temporary(stage, trouble, scope, bounce_class, start):
    outcome = failed(stage, trouble)
    assert isinstance(outcome, Deferred)
    assert (outcome.scope, outcome.bounce_class) == (scope, bounce_class)
    assert outcome.reason.startswith(start)


@pytest.mark.parametrize(
    ("trouble", "bounce_class", "start", "suppress"),
    [
        (Trouble.NULL_MX, 10, "556 5.1.10 [internal]", "immediate"),
        (Trouble.NEEDS_SMTPUTF8, 40, "553 5.6.7 [internal]", "never"),
        (Trouble.TOO_LARGE, 23, "552 5.3.4 [internal]", "never"),
    ],
)
def test_some_trouble_is_final_by_itself(trouble, bounce_class, start, suppress):
    outcome = failed(Stage.MAIL, trouble)
    assert isinstance(outcome, Bounced)
    assert (outcome.bounce_class, outcome.suppress) == (bounce_class, suppress)
    assert outcome.reason.startswith(start)


def test_a_connection_lost_after_the_final_dot_says_that_nobody_knows():
    outcome = failed(Stage.END_OF_DATA, Trouble.DROPPED, sent_end_of_data=True, host="mx.test", address="192.0.2.1", note="reset")
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.SESSION
    assert outcome.reason == (
        "451 4.4.2 [internal] connection lost at the end of the message; the message had left and may have been taken"
        " (mx.test [192.0.2.1]: reset)"
    )


@pytest.mark.parametrize(
    ("last", "bounce_class"),
    [
        ("450 4.2.2 mailbox full", 22),
        ("421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints", 51),
        ("454 4.4.4 [internal] no MX or A for domain", 21),
        ("451 4.4.0 [internal] no mail servers for this domain could be reached at this time (mx [192.0.2.1]: refused)", 24),
        ("451 4.3.0 [internal] Sending IP temporarily suspended", 70),
        ("451 4.0.0 [internal] a text of an earlier version", 24),
        ("", 24),
    ],
)
def test_an_expired_message_is_classified_by_its_last_reason_to_wait(last, bounce_class):
    outcome = expired(last, rules=RULES)
    assert (outcome.code, outcome.bounce_class) == ("554", bounce_class)
    assert outcome.suppress != "immediate"
    assert outcome.reason.startswith("554 5.4.7 [internal] message timeout")
    assert last in outcome.reason


def test_every_trouble_has_a_verdict_and_a_reason_that_expiry_knows_again():
    for trouble in Trouble:
        outcome = failed(Stage.CONNECT, trouble)
        assert not isinstance(outcome, Delivered)
        if isinstance(outcome, Deferred):
            assert expired(outcome.reason, rules=RULES).bounce_class == outcome.bounce_class


@given(st.sampled_from(Stage), st.integers(200, 599), st.text(max_size=60))
def test_no_reply_loses_a_message(stage, code, text):
    outcome = judge(Attempt(stage=stage, reply=Reply(code, (text,))), rules=RULES)
    if isinstance(outcome, Delivered):
        assert stage is Stage.END_OF_DATA
        assert code < 300
    elif isinstance(outcome, Bounced):
        assert code >= 500
        assert stage not in (Stage.GREETING, Stage.EHLO, Stage.STARTTLS)
