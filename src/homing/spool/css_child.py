"""The child process that moves CSS (spool.css): documents in on standard input, documents out on standard output.

It ends when its input ends, so it does not outlive whoever started it.
"""

import re
import resource
import sys
import threading
from typing import BinaryIO

from css_inline import CSSInliner, InlineError

from homing.spool.css import CPU_S, DONE, MEMORY_BYTES, MOST_RESULT, SIZE, TOO_LARGE, WRONG

STACK_BYTES = 134_217_728  # the tree is walked recursively, with some 700 bytes a level
# A style element whose media are others than screens is for a printer, say: its rules must not be moved.
_NOT_FOR_SCREENS = re.compile(
    r"<style(?=[^>]*\smedia\s*=)(?![^>]*\smedia\s*=\s*[\"']?\s*(?:all|screen)\s*[\"'>\s])([\s/])", re.IGNORECASE
)
_EMPTY = re.compile(r"<style[^<>]*>\s*</style>", re.IGNORECASE)


def main() -> None:
    """Serve until there is no more input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=_serve, args=(sys.stdin.buffer, sys.stdout.buffer))
    thread.start()
    thread.join()


def _serve(source: BinaryIO, out: BinaryIO) -> None:
    inliner = CSSInliner(
        load_remote_stylesheets=False,
        keep_style_tags=True,
        remove_inlined_selectors=True,
        keep_at_rules=True,
        keep_link_tags=True,
    )
    while len(head := source.read(SIZE.size)) == SIZE.size:
        given = source.read(SIZE.unpack(head)[0])
        _bound_the_work()
        said, answer = _answer(inliner, given.decode())
        out.write(said + SIZE.pack(len(answer)) + answer)
        out.flush()


def _bound_the_work() -> None:
    """Let the kernel end us if the next document takes longer than its share."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + CPU_S, hard))


def _answer(inliner: CSSInliner, html: str) -> tuple[bytes, bytes]:
    try:
        made = _EMPTY.sub("", inliner.inline(_NOT_FOR_SCREENS.sub(r"<style data-css-inline='ignore'\1", html))).encode()
    except (InlineError, ValueError) as trouble:
        return WRONG, str(trouble).encode("utf-8", "replace")[:1_000]
    return (TOO_LARGE, b"") if len(made) > MOST_RESULT else (DONE, made)


if __name__ == "__main__":
    main()
