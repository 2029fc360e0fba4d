"""The documents that other platforms export become templates, or say why not."""

import pytest

from homing.templates.rules.exports import Exported, From, NoTemplate, exported
from homing.templates.rules.translate import Dialect

SENDGRID = {
    "id": "d-fc9c2f5eb5c54ee0a0ee8a0f1f4c0d3e",
    "name": "Order confirmation",
    "generation": "dynamic",
    "updated_at": "2024-02-01 10:00:00",
    "versions": [
        {"id": "old", "active": 0, "name": "v1", "subject": "Old", "html_content": "<p>old</p>", "plain_content": "old"},
        {
            "id": "c1",
            "template_id": "d-fc9c2f5eb5c54ee0a0ee8a0f1f4c0d3e",
            "active": 1,
            "name": "v2",
            "subject": "Order {{order.id}}",
            "html_content": "<p>Thanks {{name}}</p>",
            "plain_content": "Thanks {{name}}",
            "generate_plain_content": True,
            "editor": "code",
            "test_data": "{}",
        },
    ],
}
MAILGUN = {
    "template": {
        "name": "welcome mail",
        "description": "greets",
        "createdAt": "Wed, 29 Aug 2024 23:31:13 UTC",
        "id": "46565d87-68b6-4edb-8b3c-34554af4bb77",
        "version": {
            "tag": "initial",
            "template": "<h1>{{title}}</h1>",
            "engine": "handlebars",
            "active": True,
            "headers": {"From": "Acme <news@acme.test>", "Subject": "{{title}}", "Reply-To": "help@acme.test"},
        },
    }
}
POSTMARK = {
    "TemplateId": 1234,
    "Name": "Welcome",
    "Subject": "Hi {{name}}",
    "HtmlBody": "<p>{{name}}</p>",
    "TextBody": "{{name}}",
    "AssociatedServerId": 1,
    "Active": True,
    "Alias": "welcome",
    "TemplateType": "Standard",
    "LayoutTemplate": None,
}


def one(document, platform) -> Exported:
    (found,) = exported([document], platform)
    assert isinstance(found, Exported), found
    return found


def why(document, platform) -> str:
    (found,) = exported([document], platform)
    assert isinstance(found, tuple)
    return found[1]


def test_the_active_version_of_a_dynamic_template_of_sendgrid():
    found = one(SENDGRID, From.SENDGRID)
    assert (found.template_id, found.name, found.dialect) == (SENDGRID["id"], "Order confirmation", Dialect.HANDLEBARS)
    assert found.content == {"subject": "Order {{order.id}}", "html": "<p>Thanks {{name}}</p>", "text": "Thanks {{name}}"}
    assert len(exported([{"result": [SENDGRID, SENDGRID], "_metadata": {}}], From.SENDGRID)) == 2


def test_what_sendgrid_has_that_cannot_be_taken():
    assert "legacy" in why({**SENDGRID, "generation": "legacy"}, From.SENDGRID)
    assert "none of its versions is active" in why({**SENDGRID, "versions": []}, From.SENDGRID)
    listed = {**SENDGRID, "versions": [{"id": "c1", "active": 1, "name": "v2", "subject": "x"}]}
    assert "export each template by its id" in why({"templates": [listed]}, From.SENDGRID)


def test_a_version_of_mailgun_with_its_headers():
    found = one(MAILGUN, From.MAILGUN)
    assert (found.template_id, found.name, found.description) == ("welcome-mail", "welcome mail", "greets")
    assert found.content == {
        "from": "Acme <news@acme.test>",
        "subject": "{{title}}",
        "reply_to": "help@acme.test",
        "html": "<h1>{{title}}</h1>",
    }
    version = {**MAILGUN["template"]["version"], "engine": "go"}
    assert "engine go" in why({"template": {**MAILGUN["template"], "version": version}}, From.MAILGUN)
    assert "?active=yes" in why({"template": {"name": "x"}}, From.MAILGUN)


def test_both_answers_of_ses():
    old = {"Template": {"TemplateName": "Hello", "SubjectPart": "Hi {{name}}", "TextPart": "t", "HtmlPart": "<p>h</p>"}}
    new = {"TemplateName": "Hello", "TemplateContent": {"Subject": "Hi {{name}}", "Text": "t", "Html": "<p>h</p>"}}
    assert one(old, From.SES) == one(new, From.SES)
    assert one(new, From.SES).content == {"subject": "Hi {{name}}", "html": "<p>h</p>", "text": "t"}
    assert "get-template" in why({"TemplatesMetadata": []}, From.SES)


def test_a_template_of_postmark_in_its_layout():
    layout = {
        "TemplateType": "Layout",
        "Alias": "frame",
        "HtmlBody": "<body>{{{ @content }}}</body>",
        "TextBody": "-- {{{@content}}}",
    }
    found = exported([{**POSTMARK, "LayoutTemplate": "frame"}, layout], From.POSTMARK)
    assert [one.content for one in found] == [
        {"subject": "Hi {{name}}", "html": "<body><p>{{name}}</p></body>", "text": "-- {{name}}"}
    ]
    assert "its layout 'frame' is not in the file" in why({**POSTMARK, "LayoutTemplate": "frame"}, From.POSTMARK)
    assert one(POSTMARK, From.POSTMARK).template_id == "welcome"
    assert one({**POSTMARK, "Alias": None}, From.POSTMARK).template_id == "1234"
    assert "export each template by its id" in why({"Templates": [{"Name": "x", "TemplateId": 1}]}, From.POSTMARK)


def test_templates_of_sparkpost_are_taken_as_they_are():
    content = {"from": {"email": "news@acme.test"}, "subject": "Hi", "text": "{{if a}}x{{end}}"}
    given = {
        "id": "t",
        "name": "T",
        "content": content,
        "options": {"open_tracking": True, "transactional": None},
        "published": True,
    }
    found = one({"results": given}, From.SPARKPOST)
    assert (found.dialect, found.content, found.options) == (None, content, {"open_tracking": True})
    assert "the list of templates has none" in why({"results": [{"id": "t", "name": "T"}]}, From.SPARKPOST)


@pytest.mark.parametrize("platform", list(From))
def test_what_is_no_object_is_refused(platform):
    with pytest.raises(NoTemplate):
        exported([[1]], platform)
