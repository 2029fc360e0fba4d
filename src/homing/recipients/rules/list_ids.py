"""Which list is a message of? The suppression list names lists bare; a List-Id field may say more."""


def bare_list_id(text: str) -> str:
    """Return a list's id without its phrase and angle brackets: `News <news.acme.test>` is `news.acme.test`.

    source   RFC 2919 section 2: an optional phrase, then the id in angle brackets
    """
    start, end = text.rfind("<"), text.rfind(">")
    return (text[start + 1 : end] if 0 <= start < end else text).strip()
