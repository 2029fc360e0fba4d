"""Suppression files of other platforms become rows of ours, or are refused with a sentence."""

import io
from datetime import UTC, datetime

import pytest

from homing.recipients.importing import SourceFile
from homing.recipients.rules.forms.known import FORMS, Platform
from homing.recipients.rules.forms.types import Unreadable
from homing.recipients.rules.importing import Terms
from homing.recipients.types import Source

BAD_LIST = "list_id must be 1 to 255 letters, digits, '-', '_' or '.', without a leading, trailing or doubled dot"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def rows(text: str, form: str = "homing", **terms):
    """Return (recipient, type, list, source, description) of what a file puts on the list, in order of address."""
    batch = SourceFile(io.BytesIO(text.encode()), Terms(form=form, **terms), now=NOW).next_batch()
    return [] if batch is None else [row[1:6] for row in batch.rows]


def refused(text: str, form: str = "homing", **terms):
    batch = SourceFile(io.BytesIO(text.encode()), Terms(form=form, **terms), now=NOW).next_batch()
    return [(one.line, one.reason) for one in batch.refusals]


def unreadable(text: str, form: str = "homing", **terms) -> str:
    with pytest.raises(Unreadable) as trouble:
        SourceFile(io.BytesIO(text.encode()), Terms(form=form, **terms), now=NOW)
    return str(trouble.value)


def test_every_platform_has_a_form():
    assert set(FORMS) == {one.value for one in Platform}


# our own and SparkPost's --------------------------------------------------------------------------------------------------


def test_the_columns_of_the_export_are_taken():
    text = (
        "recipient,type,source,description,list_id,subaccount_id,created,updated,provenance\n"
        'Kim@There.test,transactional,bounce rule,"550, no",news,,2026-01-02T03:04:05+00:00,2026-05-01T00:00:00+00:00,api:1\n'
    )
    (row,) = SourceFile(io.BytesIO(text.encode()), Terms(form="homing"), now=NOW).next_batch().rows
    assert row == (
        0,
        "kim@there.test",
        "transactional",
        "news",
        "Bounce Rule",
        "550, no",
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_older_spellings_and_one_type_for_all_are_taken():
    text = "email,transactional,non_transactional\na@b.test,true,TRUE\nc@b.test,false,1\n"
    manual = ("", "Manually Added", "")
    assert rows(text) == [
        ("a@b.test", "non_transactional", *manual),
        ("a@b.test", "transactional", *manual),
        ("c@b.test", "non_transactional", *manual),
    ]
    assert rows("a@b.test\n", type="both") == rows(text)[:2]
    assert rows("recipient,type\na@b.test,transactional\n", type="non_transactional") == rows(text)[:1]


def test_answers_of_the_api_of_sparkpost_are_taken():
    entry = '{"recipient":"%s","type":"non_transactional","source":"Spam Complaint","non_transactional":true,"subaccount_id":"0"}'
    page = '{"results":[' + entry + '],"links":[],"total_count":2}'
    assert [row[0] for row in rows(page % "a@b.test" + page % "c@b.test", "sparkpost")] == ["a@b.test", "c@b.test"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nobody,transactional,,,", "the address has no @"),
        (",transactional,,,", "there is no address"),
        ("a@b.test,,,,", "must supply a suppression type: a column type, or one type for the whole import"),
        ("a@b.test,maybe,,,", "type must be one of: 'transactional', 'non_transactional'"),
        ("a@b.test,transactional,Boredom,,", f"source must be among: {', '.join(Source)}"),
        ("a@b.test,transactional,Compliance,,", "rows of source Compliance cannot be put there by a customer"),
        ("a@b.test,transactional,,a..b,", BAD_LIST),
        ("a@b.test,transactional,,,7", "it is of another subaccount; import it as that one"),
        ("a@b.test,transactional,,,x", "subaccount_id must be a number"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_taken_is_refused_with_its_line_and_reason(line, reason):
    text = f"recipient,type,source,list_id,subaccount_id\nz@b.test,transactional,,,\n{line}\n"
    assert refused(text) == [(3, reason)]
    assert [row[0] for row in rows(text)] == ["z@b.test"]


def test_an_operator_may_bring_rows_of_compliance_and_of_any_subaccount():
    text = "recipient,type,source,subaccount_id\na@b.test,transactional,Compliance,7\n"
    batch = SourceFile(
        io.BytesIO(text.encode()), Terms(form="homing", compliance=True, any_subaccount=True), now=NOW, subaccounts={7}
    ).next_batch()
    assert [(row.subaccount_id, row.source) for row in batch.rows] == [(7, "Compliance")]


@pytest.mark.parametrize("created", ["2199-01-01T00:00:00Z", "yesterday", "1e99", "", "-99999999999999999"])
def test_a_moment_that_cannot_be_refuses_nobody(created):
    text = f"recipient,type,created\na@b.test,transactional,{created}\n"
    (row,) = SourceFile(io.BytesIO(text.encode()), Terms(form="homing"), now=NOW).next_batch().rows
    assert row.created_at is None


def test_a_file_without_addresses_or_types_is_refused_whole():
    assert "no column is named recipient" in unreadable("name,type\nKim,transactional\n")
    assert "nothing says which mail is stopped" in unreadable("recipient\na@b.test\n")
    assert "homing has no kinds; not bounces" in unreadable("recipient,type\na@b.test,transactional\n", kind="bounces")
    assert "no record can be read; line 2" in unreadable("recipient,type\na,b,c\n")


def test_of_records_with_one_key_the_last_counts():
    text = "recipient,type,description\na@b.test,transactional,first\nA@B.test,transactional,last\n"
    batch = SourceFile(io.BytesIO(text.encode()), Terms(form="homing"), now=NOW).next_batch()
    assert ([row.description for row in batch.rows], batch.records, batch.repeated) == (["last"], 2, 1)


def test_a_description_is_cut_and_cleaned():
    text = '[{"recipient":"a@b.test","type":"transactional","description":"a\\u0000b' + "x" * 2_000 + '"}]'
    ((*_, description),) = rows(text)
    assert (description[:3], len(description)) == ("abx", 999)


# SendGrid -----------------------------------------------------------------------------------------------------------------

BOUNCES = """[
  {"created": 1717200000, "email": "Gone@There.test", "reason": "550 5.1.1 The email account does not exist", "status": "5.1.1"},
  {"created": 1717200001, "email": "full@there.test", "reason": "mailbox is full", "status": "4.2.2"}
]"""


def both(*rest):
    return [(rest[0], kind, *rest[1:]) for kind in ("non_transactional", "transactional")]


def test_bounces_of_sendgrid_stop_every_mail():
    text = BOUNCES
    assert rows(text, "sendgrid", kind="bounces") == [
        *both("full@there.test", "", "Bounce Rule", "4.2.2 mailbox is full"),
        *both("gone@there.test", "", "Bounce Rule", "550 5.1.1 The email account does not exist"),
    ]
    assert rows(text, "sendgrid", kind="blocks") == rows(text, "sendgrid", kind="bounces")
    table = "status,reason,email,created\n5.1.1,no such user,gone@there.test,1717200000\n"
    (row, _) = SourceFile(io.BytesIO(table.encode()), Terms(form="sendgrid", kind="bounces"), now=NOW).next_batch().rows
    assert row.created_at == datetime(2024, 6, 1, tzinfo=UTC)


def test_bounces_and_blocks_of_sendgrid_must_be_told_apart():
    assert "bounces and blocks look alike" in unreadable(BOUNCES, "sendgrid")
    assert "say the kind: unsubscribes" in unreadable("email,created\na@b.test,1\n", "sendgrid")
    assert "the kinds of sendgrid are: bounces, blocks" in unreadable(BOUNCES, "sendgrid", kind="moon")
    assert "named email" in unreadable("name\nKim\n", "sendgrid")


def test_spam_reports_and_unsubscribes_of_sendgrid():
    reports = '[{"created":1717200000,"email":"a@b.test","ip":"192.0.2.7"}]'
    assert rows(reports, "sendgrid") == both("a@b.test", "", "Spam Complaint", "")
    assert rows("email,created\na@b.test,1717200000\n", "sendgrid", kind="unsubscribes") == both(
        "a@b.test", "", "Unsubscribe Link", ""
    )
    invalid = '[{"created":1717200000,"email":"a@b.test","reason":"Mail domain mentioned in email address is unknown"}]'
    assert rows(invalid, "sendgrid")[0][3] == "Bounce Rule"


def test_unsubscribes_of_a_group_of_sendgrid_become_rows_of_a_list():
    text = '{"suppressions":[{"email":"a@b.test","group_id":4711,"group_name":"Weekly News","created_at":1717200000}]}'
    assert rows(text, "sendgrid") == [("a@b.test", "non_transactional", "4711", "Unsubscribe Link", "Weekly News")]
    assert rows(text, "sendgrid", type="both")[1][:3] == ("a@b.test", "transactional", "4711")
    (told,) = refused('["a@b.test"]', "sendgrid", kind="group-unsubscribes")
    assert "it does not say of which group" in told[1]
    assert rows('["a@b.test"]', "sendgrid", kind="unsubscribes") == both("a@b.test", "", "Unsubscribe Link", "")


# Mailgun ------------------------------------------------------------------------------------------------------------------


def test_bounces_of_mailgun_as_json_and_csv():
    text = """{"items": [{"address": "gone@there.test", "code": "550", "error": "5.1.1 no such user",
        "created_at": "Fri, 21 Oct 2022 11:02:55 UTC", "MessageHash": "x"}],
        "paging": {"first": "https://api.mailgun.net/v3/acme.test/bounces?page=first", "next": "https://api.mailgun.net/..."}}"""
    table = 'address,code,error,created_at\ngone@there.test,550,5.1.1 no such user,"Fri, 21 Oct 2022 11:02:55 GMT"\n'
    assert rows(text, "mailgun") == rows(table, "mailgun") == both("gone@there.test", "", "Bounce Rule", "550 5.1.1 no such user")
    for one in (text, table):
        (row, _) = SourceFile(io.BytesIO(one.encode()), Terms(form="mailgun"), now=NOW).next_batch().rows
        assert row.created_at == datetime(2022, 10, 21, 11, 2, 55, tzinfo=UTC)


def test_complaints_of_mailgun_must_be_called_so():
    text = '{"items":[{"address":"a@b.test","created_at":"Fri, 21 Oct 2022 11:02:55 GMT"}],"paging":{}}'
    assert rows(text, "mailgun", kind="complaints") == both("a@b.test", "", "Spam Complaint", "")
    assert "say the kind: complaints" in unreadable(text, "mailgun")


@pytest.mark.parametrize("tags", ["*", "", '["*"]', "news,*"])
def test_an_unsubscribe_of_mailgun_from_everything_stops_every_mail(tags):
    table = f"address,tags,created_at\na@b.test,{csv_field(tags)},\n"
    assert rows(table, "mailgun") == both("a@b.test", "", "Unsubscribe Link", "")


def test_an_unsubscribe_of_mailgun_from_tags_becomes_rows_of_lists():
    text = '{"items":[{"address":"a@b.test","tags":["news","offers"],"created_at":"Fri, 21 Oct 2022 11:02:55 GMT"}]}'
    assert rows(text, "mailgun") == [("a@b.test", "non_transactional", tag, "Unsubscribe Link", "") for tag in ("news", "offers")]
    tags = csv_field('["news","offers"]')
    table = f"address,tags,created_at\na@b.test,{tags},\nc@b.test,two words,\n"
    assert rows(table, "mailgun") == rows(text, "mailgun")
    assert refused(table, "mailgun") == [(3, BAD_LIST)]


def csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


# Amazon SES ---------------------------------------------------------------------------------------------------------------


def test_the_list_of_an_account_of_ses_page_by_page():
    page = """{
    "SuppressedDestinationSummaries": [
        {"EmailAddress": "%s", "Reason": "%s", "LastUpdateTime": "2024-04-10T21:03:05+00:00"}
    ]%s
}
"""
    text = page % ("gone@there.test", "BOUNCE", ',\n    "NextToken": "abc"') + page % ("angry@there.test", "COMPLAINT", "")
    assert rows(text, "ses") == [
        *both("angry@there.test", "", "Spam Complaint", ""),
        *both("gone@there.test", "", "Bounce Rule", ""),
    ]
    other = '{"SuppressedDestinationSummaries":[{"EmailAddress":"a@b.test","Reason":"BOUNCE","LastUpdateTime":1586552585.077}]}'
    (row, _) = SourceFile(io.BytesIO(other.encode()), Terms(form="ses"), now=NOW).next_batch().rows
    assert row.created_at is not None
    assert row.created_at.year == 2020
    assert refused(text.replace("BOUNCE", "BOREDOM"), "ses") == [(1, "Reason must be BOUNCE or COMPLAINT")]
    assert "EmailAddress and Reason" in unreadable('[{"EmailAddress":"a@b.test"}]', "ses")


# Postmark -----------------------------------------------------------------------------------------------------------------

DUMP = """{"Suppressions":[
  {"EmailAddress":"gone@there.test","SuppressionReason":"HardBounce","Origin":"Recipient","CreatedAt":"2024-12-10T08:58:33-05:00"},
  {"EmailAddress":"left@there.test","SuppressionReason":"ManualSuppression","Origin":"Recipient","CreatedAt":"2024-12-10T08:58:33-05:00"},
  {"EmailAddress":"ours@there.test","SuppressionReason":"ManualSuppression","Origin":"Customer","CreatedAt":"2024-12-10T08:58:33-05:00"},
  {"EmailAddress":"spam@there.test","SuppressionReason":"SpamComplaint","Origin":"Recipient","CreatedAt":"2024-12-10T08:58:33-05:00"}
]}"""


def test_a_dump_of_a_stream_of_postmark():
    found = rows(DUMP, "postmark", type="non_transactional")
    assert [(row[0], row[1], row[3]) for row in found] == [
        ("gone@there.test", "non_transactional", "Bounce Rule"),
        ("left@there.test", "non_transactional", "Unsubscribe Link"),
        ("ours@there.test", "non_transactional", "Manually Added"),
        ("spam@there.test", "non_transactional", "Spam Complaint"),
    ]
    table = "Email Address,Suppression Reason,Origin,Created At\ngone@there.test,Hard Bounce,Recipient,2024-12-10T08:58:33Z\n"
    assert rows(table, "postmark", type="transactional") == [("gone@there.test", "transactional", "", "Bounce Rule", "")]
    assert "nothing says which mail is stopped" in unreadable(DUMP, "postmark")
    assert "SuppressionReason must be" in refused(DUMP.replace("HardBounce", "x"), "postmark", type="both")[0][1]
    assert "EmailAddress and SuppressionReason" in unreadable('[{"EmailAddress":"a@b.test"}]', "postmark", type="both")
