"""What rendering comes to: a message, or the problem that prevents it."""

from enum import StrEnum

import msgspec

from homing.ground.errors import Permanent
from homing.message.addresses import BadAddress
from homing.message.headers import BadHeader
from homing.templates.errors import TemplateError


class Rendered(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One recipient's message.

    data           complete, CRLF line ends, ends with CRLF, dots not doubled, not signed yet
    utf8           it can go only to a host that offers SMTPUTF8: an address of envelope or header has a UTF-8 local part
    eight_bit      octets above 127 in it: 8BITMIME
    subject        as rendered, not encoded
    friendly_from  address of the From field
    """

    data: bytes
    utf8: bool
    eight_bit: bool
    subject: str
    friendly_from: str


class ProblemKind(StrEnum):
    """What sort of thing is wrong with content; doors word it in their own protocol."""

    SYNTAX = "syntax"  # the template language (REST 3000)
    RENDER = "render"  # a value that cannot be rendered (3001)
    HEADER = "header"  # a field's name or value, an address in it (3002)
    MIME = "mime"  # a part that cannot be built in (3010)
    PARSE = "parse"  # a raw message that is none (3020)
    HTML = "html"  # HTML that is too much to have its CSS inlined (3050)


class Problem(msgspec.Struct, frozen=True, gc=False):
    """One thing that is wrong.

    part   where: html, text, amp_html, subject, a header's name, an attachment's name
    line   1 or more; 0 where lines mean nothing
    """

    kind: ProblemKind
    message: str
    part: str = ""
    line: int = 0


class CannotRender(Permanent):
    """This content does not become a message for this recipient, now or later."""

    def __init__(self, problem: Problem) -> None:
        part = f"Error while rendering part {problem.part}: " if problem.part else ""
        super().__init__(f"{part}{problem.message}")
        self.problem = problem


def problem_of(trouble: TemplateError | BadHeader | BadAddress | CannotRender, part: str) -> Problem:
    """Return what an exception of the lower rooms says, as a problem of a part."""
    match trouble:
        case CannotRender():
            return trouble.problem
        case TemplateError():
            return Problem(ProblemKind.SYNTAX, trouble.problem, trouble.part, trouble.line)
        case _:
            return Problem(ProblemKind.HEADER, str(trouble), part)
