"""`python -m bench.language`: a template of 20 kB, 30 variables and a loop of 10 items, against the same in compiled Jinja2."""

import statistics
import sys
import time
from collections.abc import Callable

import jinja2

from homing.templates.language import Place, parse
from homing.templates.values import Scope

VARIABLES = 30
PARAGRAPH = "<p>Something to read that is the same for everybody, with a link to <b>nothing</b> at all.</p>\n" * 7
ROUNDS = 15
RENDERINGS = 400


def main() -> int:
    """Print how long a rendering takes in both, in turns; 0 if ours takes no longer."""
    names = [f"name_{number}" for number in range(VARIABLES)]
    middle = "<ul>\n{LOOP}</ul>\n"
    body = "".join(f"{PARAGRAPH}<p>Dear {{{{{name}}}}}</p>\n" for name in names)
    ours_text = (
        middle.replace("{LOOP}", "{{each items}}\n<li>{{loop_index}}: {{loop_var.title}} at {{loop_var.price}}</li>\n{{end}}\n")
        + body
    )
    theirs_text = (
        middle.replace("{LOOP}", "{% for item in items %}<li>{{loop.index}}: {{item.title}} at {{item.price}}</li>\n{% endfor %}")
        + body
    )
    data = {name: f"O'Neil <{number}>" for number, name in enumerate(names)} | {
        "items": [{"title": f"Thing & {number}", "price": number * 1.5} for number in range(10)]
    }  # fmt: skip
    ours = parse(ours_text, place=Place.HTML, part="html")
    theirs = jinja2.Environment(autoescape=True).from_string(theirs_text)

    def render_ours() -> str:
        return ours.render(Scope((data, {}, {}, {}), {}))

    def render_theirs() -> str:
        return theirs.render(data)

    mine, its = [], []
    for _ in range(ROUNDS):
        mine.append(_microseconds(render_ours))
        its.append(_microseconds(render_theirs))
    ratio = statistics.median(a / b for a, b in zip(mine, its, strict=True))
    print(f"template {len(ours_text):,} characters, rendered {len(render_ours()):,}; Jinja2 {jinja2.__version__}, autoescape on")
    print(f"homing {statistics.median(mine):.1f} us, Jinja2 {statistics.median(its):.1f} us, ratio {ratio:.2f}")
    return 0 if ratio <= 1 else 1


def _microseconds(render: Callable[[], str]) -> float:
    began = time.process_time()
    for _ in range(RENDERINGS):
        render()
    return (time.process_time() - began) / RENDERINGS * 1e6


if __name__ == "__main__":
    sys.exit(main())
