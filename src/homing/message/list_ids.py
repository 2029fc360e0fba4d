"""Which list is a message of? The suppression list names lists bare; a List-Id field may say more."""

import re

LONGEST = 255  # letters of an id that the suppression list takes
_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def is_list_id(text: str) -> bool:
    """Return whether rows of the suppression list can be of a list of this name."""
    return len(text) <= LONGEST and _ID.fullmatch(text) is not None


def list_of(text: str) -> str:
    """Return how the suppression list names the list of a List-Id: `News <news@acme.test>` is `news.acme.test`.

    text      the field's value, '' for none
    returns   '' also where no row can be of that list: its form is another, or it holds template language
    source    RFC 2919 section 2: an optional phrase, then the id in angle brackets
    """
    if not text or "{{" in text:
        return ""
    start, end = text.rfind("<"), text.rfind(">")
    bare = (text[start + 1 : end] if 0 <= start < end else text).strip().replace("@", ".")
    return bare if is_list_id(bare) else ""
