"""How the suppression list names the list that a message says it is of."""

import pytest

from homing.message.list_ids import list_of


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("<news.acme.test>", "news.acme.test"),
        ("News of the week <news.acme.test>", "news.acme.test"),
        ("<news@acme.test>", "news.acme.test"),
        ("news", "news"),
        ("", ""),
        ("<a..b>", ""),
        ("<two words>", ""),
        ("<grüße.test>", ""),
        ("<" + "x" * 256 + ">", ""),
        ("{{if a}}<one>{{else}}<two>{{end}}", ""),
    ],
)
def test_the_id_in_the_brackets_names_the_list_where_a_row_can_be_of_it(field, name):
    assert list_of(field) == name
