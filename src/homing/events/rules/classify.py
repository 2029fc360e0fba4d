"""What a refusal means: SMTP replies and returned texts to SparkPost's bounce classes, by data/bounce_rules.json.

The order is the data file's own (`evaluation`): rules by priority, then the enhanced status code, then the basic code,
then the first digit. Texts are normalised first (`normalisation`); the rules rely on it.
"""

import re
from importlib import resources

import msgspec

MAX_TEXT = 2000  # characters that are searched
CACHE_SIZE = 4096  # equal replies remembered


class BounceClass(msgspec.Struct, frozen=True, gc=False):
    """One of SparkPost's classes. category is Hard, Soft, Block, Admin or Undetermined."""

    code: int
    name: str
    category: str
    meaning: str


class Classification(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a text says, and what should follow.

    code, enhanced   as read in the text, '' where there is none
    suppress         immediate, after_repeats or never; always never for a 4xx
    retry            no, normal, backoff or pause
    throttle         what to slow down or stop: recipient, recipient_domain, ip_provider, sending_domain, connection,
                     message or none
    alert            who should hear of it: infrastructure, authentication, list_hygiene, security or ''
    rule_id          which rule matched; `enh:5.1.1`, `basic:550`, `digit:4` or `none` where no rule did
    """

    bounce_class: int
    name: str
    category: str
    subclass: str
    suppress: str
    retry: str
    throttle: str
    rule_id: str
    code: str = ""
    enhanced: str = ""
    mediation: bool = False
    alert: str = ""


class _Action(msgspec.Struct, frozen=True):
    suppress: str
    retry: str
    throttle: str
    mediation: bool
    alert: str | None


class _Rule(msgspec.Struct, frozen=True):
    id: str
    priority: int
    bounce_class: int
    subclass: str
    pattern: str
    applies_to: str
    reply_code: str | None
    action: _Action


class _EnhancedLine(msgspec.Struct, frozen=True):
    code: str
    class_if_4xx: int | None
    class_if_5xx: int | None


class _RuleFile(msgspec.Struct, frozen=True):
    classes: list[BounceClass]
    rules: list[_Rule]
    enhanced_status_map: list[_EnhancedLine]
    basic_code_defaults: dict[str, int]


# What follows from a class that no rule chose; classes that are not named slow down nothing and suppress nothing.
_BY_CLASS = {
    10: _Action(suppress="immediate_if_5xx", retry="by_code", throttle="recipient", mediation=False, alert=None),
    20: _Action(suppress="never", retry="by_code", throttle="recipient", mediation=False, alert=None),
    21: _Action(suppress="after_repeats", retry="by_code", throttle="recipient_domain", mediation=False, alert=None),
    22: _Action(suppress="after_repeats", retry="by_code", throttle="recipient", mediation=False, alert=None),
    23: _Action(suppress="never", retry="by_code", throttle="message", mediation=False, alert=None),
    51: _Action(suppress="never", retry="pause", throttle="ip_provider", mediation=True, alert=None),
    52: _Action(suppress="never", retry="by_code", throttle="message", mediation=False, alert=None),
    53: _Action(suppress="never", retry="by_code", throttle="message", mediation=False, alert=None),
    54: _Action(suppress="after_repeats", retry="by_code", throttle="recipient_domain", mediation=False, alert=None),
}
_OTHERWISE = _Action(suppress="never", retry="by_code", throttle="none", mediation=False, alert=None)

_SPACE = re.compile(r"\s+")
_WRAPPER = re.compile(r"(?:\bsaid:|refused to talk to me:|\bsmtp;)\s*(?=[245]\d\d[ -])")
_TRAILER = re.compile(r"\s*\(in reply to [^)]*\)\)?\s*$")
_BASIC = re.compile(r"(?<![\d.])([245]\d\d)(?:[ -]+#?\(?([245]\.\d{1,3}\.\d{1,3})\)?)?(?![\d.])")
_ENHANCED = re.compile(r"(?<![\d.])#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_BASIC_WITHIN = 160  # a three-digit number further inside is hardly the reply's code


def normalise(text: str) -> tuple[str, str, str]:
    """Return the text as the rules expect it, its three-digit code and its enhanced code ('' where there is none).

    Lines become one; wrappers of bounce messages go; the prefixes of continuation lines that a joined reply carries in
    the middle of its sentences go too, because they tear apart the words that the rules look for.
    """
    text = _SPACE.sub(" ", text[: 4 * MAX_TEXT]).strip()
    if (wrapper := _WRAPPER.search(text)) is not None:
        text = text[wrapper.end() :]
    text = _TRAILER.sub("", text)[:MAX_TEXT]
    if (first := _BASIC.search(text[:_BASIC_WITHIN])) is not None:
        code, enhanced = first.group(1), first.group(2) or ""
        prefix = rf"\s*(?<![\d.]){code}[ -](?:[45x]\.[\dx]{{1,3}}\.[\dx]{{1,3}}(?=\s|$))?\s*"
        text = _SPACE.sub(" ", text[: first.end()] + re.sub(prefix, " ", text[first.end() :]))
        if not enhanced and (later := _ENHANCED.search(text)) is not None:
            enhanced = later.group(1)
        return text, code, enhanced
    if (status := _ENHANCED.search(text)) is not None:
        enhanced = status.group(1)
        repeated = rf"\s+{re.escape(enhanced)}(?=\s)"
        return text[: status.end()] + re.sub(repeated, "", text[status.end() :]), "", enhanced
    return text, "", ""


class Classifier:
    """The rules, ready to use. Made once by boot; equal texts are answered from a bounded memory.

    classes   SparkPost's classes by code, for views
    """

    def __init__(self, document: bytes) -> None:
        """Read and compile a rule file.

        raises   msgspec.ValidationError, re.error or KeyError if the file is wrong
        """
        file = msgspec.json.decode(document, type=_RuleFile)
        self.classes: dict[int, BounceClass] = {each.code: each for each in file.classes}
        self._rules: dict[str, list[tuple[_Rule, re.Pattern[str], re.Pattern[str] | None]]] = {"smtp": [], "oob": []}
        for rule in sorted(file.rules, key=lambda each: each.priority):
            self.classes[rule.bounce_class]  # a rule of an unknown class is refused now, not at the first bounce
            compiled = re.compile(rule.pattern, re.IGNORECASE)
            codes = re.compile(rule.reply_code) if rule.reply_code else None
            self._rules[rule.applies_to].append((rule, compiled, codes))
        self._enhanced, self._ranges = _read_enhanced(file.enhanced_status_map)
        self._basic = file.basic_code_defaults
        self._known: dict[tuple[str, str], Classification] = {}

    @classmethod
    def from_package(cls) -> "Classifier":
        """Read the rules that come with homing."""
        return cls(resources.files("homing.events").joinpath("data/bounce_rules.json").read_bytes())

    def classify(self, text: str, *, scope: str = "smtp") -> Classification:
        """Return what a reply or a returned text means. Every text has an answer: class 1 where nothing fits.

        scope   smtp for replies and delivery status texts, oob for subject or body of a message that came back
        """
        key = (scope, text)
        known = self._known.get(key)
        if known is None:
            known = self._judge(text, scope)
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[key] = known
        return known

    def _judge(self, text: str, scope: str) -> Classification:
        words, code, enhanced = normalise(text)
        # Where only an enhanced code is known, its first digit stands for the reply code.
        effective = code or (f"{enhanced[0]}00" if enhanced else "")
        for rule, pattern, codes in self._rules[scope]:
            if codes is not None and not codes.search(effective):
                continue
            if pattern.search(words):
                return self._answer(rule.bounce_class, rule.subclass, rule.action, rule.id, effective, code, enhanced)
        bounce_class, rule_id = self._by_codes(code, enhanced, effective)
        action = _BY_CLASS.get(bounce_class, _OTHERWISE)
        return self._answer(bounce_class, "", action, rule_id, effective, code, enhanced)

    def _by_codes(self, code: str, enhanced: str, effective: str) -> tuple[int, str]:
        if enhanced:
            temporary = (code or enhanced)[0] == "4"
            line = self._enhanced_line(enhanced)
            found = None if line is None else line.class_if_4xx if temporary else line.class_if_5xx
            if found is not None:
                return found, f"enh:{enhanced}"
        if code in self._basic:
            return self._basic[code], f"basic:{code}"
        if effective[:1] == "4":
            return 70, "digit:4"
        if effective[:1] == "5":
            return 40, "digit:5"
        return 1, "none"

    def _enhanced_line(self, enhanced: str) -> _EnhancedLine | None:
        subject = enhanced[2:]
        if (line := self._enhanced.get(subject)) is not None:
            return line
        prefix, _, detail = subject.rpartition(".")
        # Ranges overlap (500-699 holds 606-649): the narrowest speaks.
        fitting = [each for each in self._ranges if each[0] == prefix and each[1] <= int(detail) <= each[2]]
        return min(fitting, key=lambda each: each[2] - each[1])[3] if fitting else None

    def _answer(
        self, number: int, subclass: str, action: _Action, rule_id: str, effective: str, code: str, enhanced: str
    ) -> Classification:
        about = self.classes[number]
        return Classification(
            bounce_class=number,
            name=about.name,
            category=about.category,
            subclass=subclass,
            suppress=_suppress(action.suppress, effective),
            retry=_retry(action.retry, effective),
            throttle=action.throttle,
            rule_id=rule_id,
            code=code,
            enhanced=enhanced,
            mediation=action.mediation,
            alert=action.alert or "",
        )


def _suppress(word: str, effective: str) -> str:
    if effective[:1] == "4":
        return "never"  # whatever the class
    if word == "immediate_if_5xx":
        return "immediate" if effective[:1] == "5" else "after_repeats"
    return word


def _retry(word: str, effective: str) -> str:
    if word == "by_code":
        return "normal" if effective[:1] == "4" else "no"
    return word


def _read_enhanced(
    lines: list[_EnhancedLine],
) -> tuple[dict[str, _EnhancedLine], list[tuple[str, int, int, _EnhancedLine]]]:
    exact: dict[str, _EnhancedLine] = {}
    ranges: list[tuple[str, int, int, _EnhancedLine]] = []
    for line in lines:
        subject = line.code.removeprefix("X.")
        prefix, _, detail = subject.rpartition(".")
        low, dash, high = detail.partition("-")
        if dash:
            ranges.append((prefix, int(low), int(high), line))
        else:
            exact[subject] = line
    return exact, ranges
