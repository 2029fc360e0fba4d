"""Values: where a name finds one, and how it becomes text (SparkPost reference 3.1, 3.3, 3.5)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from homing.templates.types import Snippet

DYNAMIC_NAMES = frozenset({"dynamic_html", "dynamic_plain", "dynamic_amp_html"})
LOOP_NAMES = frozenset({"loop_var", "loop_index", "loop_vars"})
# In this order: the _HTML = { of the others is not escaped again.
_HTML = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"), ("/", "&#x2F;"))
_EXACT = 2**63  # whole numbers up to here are shown digit by digit: order numbers must not lose their last digits


class Scope:
    """The data of one recipient, strongest layer first.

    layers    recipient substitution data, recipient metadata, transmission substitution data, transmission metadata.
              A name that a layer holds is found there, also where it holds null: so a recipient can blank a default.
    builtins  names of ours. They win member by member: of a user's object of the same name the other members remain.
    dynamic   where dynamic content is found: the transmission's substitution data alone
    snippets  those that render_snippet() may name, by id
    loops     the loops that a template is in, innermost last: name, current item, its position from 1
    left      steps that the rendering may still make
    called    snippets that were rendered, in all parts of the message
    hides     links in values are hidden from the tracker, which sees the text next
    """

    __slots__ = ("_builtins", "_layers", "called", "dynamic", "hides", "left", "loops", "snippets")

    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        builtins: Mapping[str, Any],
        dynamic: Mapping[str, Any] | None = None,
        snippets: Mapping[str, Snippet] | None = None,
    ) -> None:
        self._layers = [layer for layer in layers if layer]
        self._builtins = builtins
        self.dynamic: Mapping[str, Any] = dynamic or {}
        self.snippets: Mapping[str, Snippet] = snippets or {}
        self.called = 0
        self.hides = False
        self.loops: list[tuple[str, Any, int]] = []
        self.left = 0

    def look_up(self, name: str) -> Any:
        """Return the value of a top-level name, None where there is none."""
        if self.loops and name in LOOP_NAMES:
            if name == "loop_var":
                return self.loops[-1][1]
            return self.loops[-1][2] if name == "loop_index" else {loop: item for loop, item, _ in self.loops}
        if name in self._builtins:
            ours = self._builtins[name]
            if isinstance(ours, Mapping):
                for layer in self._layers:
                    if isinstance(layer.get(name), Mapping):
                        return {**layer[name], **ours}
            return ours
        if name in DYNAMIC_NAMES:
            return self.dynamic.get(name)
        for layer in self._layers:
            if name in layer:
                return layer[name]
        return None


def member(value: Any, key: Any) -> Any:
    """Return `value[key]` as the language has it: arrays start at 1; None where there is nothing."""
    if isinstance(value, Mapping):
        if isinstance(key, str):
            return value.get(key)
        return value.get(text_of(key)) if isinstance(key, int | float) and not isinstance(key, bool) else None
    if isinstance(value, list | tuple) and isinstance(key, int | float) and not isinstance(key, bool):
        return value[int(key) - 1] if 1 <= key <= len(value) and key == int(key) else None
    return None


def is_true(value: Any) -> bool:
    """Return the truth of a value: only false and null are false; 0, '' and empty arrays are true, as in Lua."""
    return value is not None and value is not False


def text_of(value: Any) -> str:
    """Return a value as text: null is empty, numbers print as Lua doubles (5.0 as 5), arrays and objects as JSON.

    raises   ValueError for what JSON cannot hold
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -_EXACT < value < _EXACT else _float_text(float(value) if abs(value) < 2**1023 else 1e400)
    if isinstance(value, float):
        return _float_text(value)
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, RecursionError, ValueError, OverflowError, msgspec.MsgspecError) as trouble:
        raise ValueError("the value is no JSON") from trouble


def _float_text(number: float) -> str:
    # Lua's number format; it drops the fraction of whole numbers, and writes inf and nan as C does.
    return "%.14g" % number  # noqa: UP031  an f-string has no equal of %g for every number


def escape_html(text: str) -> str:
    """Escape for HTML, inside and outside of attributes: & < > " ' and /."""
    for sign, written in _HTML:  # six passes in C: a function for each sign takes fifty times as long
        if sign in text:
            text = text.replace(sign, written)
    return text


def escape_url(text: str) -> str:
    """Percent-encode everything but letters, digits, - . _ and ~ (RFC 3986 section 2.3)."""
    return quote(text, safe="", errors="replace")
