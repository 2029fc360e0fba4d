"""The forms that can be read, by name."""

from enum import StrEnum

from homing.recipients.rules.forms import mailgun, postmark, sendgrid, ses, sparkpost
from homing.recipients.rules.forms.types import Form, Unreadable


class Platform(StrEnum):
    """Whose form a file has."""

    HOMING = "homing"
    SPARKPOST = "sparkpost"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    SES = "ses"
    POSTMARK = "postmark"


FORMS: dict[str, Form] = {
    Platform.HOMING: sparkpost.FORM._replace(name="homing"),
    Platform.SPARKPOST: sparkpost.FORM,
    Platform.SENDGRID: sendgrid.FORM,
    Platform.MAILGUN: mailgun.FORM,
    Platform.SES: ses.FORM,
    Platform.POSTMARK: postmark.FORM,
}


def kind_of(form: Form, asked: str, names: frozenset[str]) -> str:
    """Return which kind of suppressions a file holds: the one asked for, else the one that its names tell.

    raises   Unreadable
    """
    if not asked:
        return form.guess(names)
    if asked not in form.kinds:
        there_are = f"the kinds of {form.name} are: {', '.join(form.kinds)}" if form.kinds else f"{form.name} has no kinds"
        raise Unreadable(f"{there_are}; not {asked[:64]}")
    return asked
