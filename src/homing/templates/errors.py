"""What can be wrong with a template."""

from homing.ground.errors import Permanent


class TemplateError(Permanent):
    """A template that cannot be parsed or rendered.

    part      where it stands: html, text, amp_html, subject, a header's name
    line      1 or more
    problem   the sentence without part and line
    """

    def __init__(self, problem: str, *, part: str, line: int) -> None:
        super().__init__(f"{part}, line {line}: {problem}")
        self.problem = problem
        self.part = part
        self.line = line
