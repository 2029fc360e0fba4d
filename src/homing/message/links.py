"""Links in bodies: found, given their tracked form, and freed of the attributes that are meant for us (reference, section 3.7).

In HTML the href of `a` and `area` counts, in text a bare URL; both where they begin with http:// or https://. What the tracker
does not want is left as it is. Each text is walked through once, from left to right.

A link whose protocol stands in a value, not in the template, is none of ours: whoever puts values in hides it (`hidden`), and
once links are tracked it is shown again.
"""

import html
import re
from typing import Protocol

_SIGN = "\ufdd0"  # a code point that no text has: Unicode keeps it for such uses (section 23.7)
MOST_LINKS = 2_000  # of one part; the rest stays as it is


class LinkTracker(Protocol):
    """Gives links their tracked form."""

    def click(self, url: str, *, name: str, sublink: str, unsubscribe: bool, amp: bool) -> str:
        """Return the tracked URL; '' leaves the link as it is."""
        ...


_TAG = re.compile(r"<(?:a|area)(?=[\s/])", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?P<name>[^\s"'<>/=]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'<>`]+)))?"""
)
_TAG_END = re.compile(r"[\s/]*>")
_PROTOCOL = re.compile(r"https?://", re.IGNORECASE)
_OURS = "data-msys-"
_URL = re.compile(r"https?://[^\s<>\"'`\[\]{}|\\^]+", re.IGNORECASE)
_GROUP = re.compile(r"\[\[\s*data-msys-([a-z]+)\s*=\s*(?:\"([^\"\]]{0,300})\"|'([^'\]]{0,300})')\s*\]\]")
_TRAILING = ".,;:!?)"


def hidden(value: str) -> str:
    """Return a value in which no link will be found."""
    return value.replace("://", f":{_SIGN}//")


def shown(text: str) -> str:
    """Return a text with its hidden links as they were."""
    return text.replace(_SIGN, "")


def track_html(text: str, tracker: LinkTracker | None, *, amp: bool = False) -> str:
    """Return HTML with tracked links; tracker None: only the attributes that are meant for us go."""
    if (tracker is None or "://" not in text) and _OURS not in text:
        return text
    out: list[str] = []
    at = done = links = 0
    while (tag := _TAG.search(text, at)) is not None:
        attributes, end = _attributes(text, tag.end())
        if end < 0:  # a quote that never ends: whoever reads it sees no link either
            break
        at = end
        ours = {name[len(_OURS) :]: value for name, value, _, _ in attributes if name.startswith(_OURS)}
        cuts = [(start, stop, "") for name, _, start, stop in attributes if name.startswith(_OURS)]
        href = next((one for one in attributes if one[0] == "href"), None)
        if tracker is not None and href is not None and _PROTOCOL.match(href[1]) and links < MOST_LINKS:
            links += 1
            tracked = _tracked(html.unescape(href[1]), ours, tracker, amp=amp)
            if tracked:
                cuts.append((href[2], href[3], f' href="{html.escape(tracked)}"'))
        for start, stop, instead in sorted(cuts):
            out += (text[done:start], instead)
            done = stop
    return "".join((*out, text[done:])) if out else text


def track_text(text: str, tracker: LinkTracker | None) -> str:
    """Return a text with tracked links, and without the groups in double brackets that say something of them."""
    if "://" not in text and "[[data-msys-" not in text:
        return text
    out: list[str] = []
    done = links = 0
    while (found := _URL.search(text, done)) is not None:
        url = found[0].rstrip(_TRAILING)
        end = found.start() + len(url)
        ours: dict[str, str] = {}
        stop = end
        while (group := _GROUP.match(text, stop)) is not None:
            ours[group[1]] = group[2] if group[2] is not None else group[3]
            stop = group.end()
        tracked = ""
        if tracker is not None and links < MOST_LINKS:
            links += 1
            tracked = _tracked(url, ours, tracker, amp=False)
        out += (text[done : found.start()], tracked or url)
        done = stop
    return "".join((*out, text[done:])) if out else text


def _tracked(url: str, ours: dict[str, str], tracker: LinkTracker, *, amp: bool) -> str:
    if ours.get("clicktrack") == "0":
        return ""
    return tracker.click(
        shown(url),
        name=ours.get("linkname", ""),
        sublink=ours.get("sublink", ""),
        unsubscribe=ours.get("unsubscribe") == "1",
        amp=amp,
    )


def _attributes(text: str, at: int) -> tuple[list[tuple[str, str, int, int]], int]:
    """Return the attributes of a tag (lower-case name, value, where it begins and ends), and the offset behind the tag.

    -1: the tag has no end.
    """
    found: list[tuple[str, str, int, int]] = []
    while True:
        end = _TAG_END.match(text, at)
        if end is not None:
            return found, end.end()
        one = _ATTRIBUTE.match(text, at)
        if one is None:
            close = text.find(">", at)
            return found, close + 1 if close >= 0 and text[at : at + 1] not in "\"'" else -1
        value = next((one[kind] for kind in ("double", "single", "bare") if one[kind] is not None), "")
        found.append((one["name"].lower(), value, one.start(), one.end()))
        at = one.end()


_BODY = re.compile(r"<body(?=[\s>])", re.IGNORECASE)
_HTML = re.compile(r"<html(?=[\s>])", re.IGNORECASE)


def with_pixels(text: str, *, initial: str, final: str) -> str:
    """Return HTML with pixels: the initial one right after `<body>`, the final one right before `</body>`, or at the end.

    initial, final   URLs; '' for none. The initial one needs the tags html and body (reference, section 6.4)
    """
    if final:
        end = text.lower().rfind("</body") if "</" in text else -1
        end = len(text) if end < 0 else end
        text = text[:end] + _image(final) + text[end:]
    if initial and _HTML.search(text) is not None and (body := _BODY.search(text)) is not None:
        _, end = _attributes(text, body.end())
        if end > 0:
            text = text[:end] + _image(initial) + text[end:]
    return text


def _image(url: str) -> str:
    return f'<img border="0" width="1" height="1" alt="" src="{html.escape(url)}">'
