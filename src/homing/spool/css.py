"""CSS moved from <style> into the elements it is meant for (SparkPost reference, section 2.1.2), done by a child process.

A parser of HTML makes trees, and what a customer sends can make them so deep or so large that the process dies, or works
for hours. So it works in a child that may die: a bound on its stack, memory and CPU time, and nothing of ours in its
environment. The child starts with the first document and ends with us, or after an idle document that was too much for it.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from struct import Struct

from homing.ground.errors import Permanent, Temporary
from homing.spool.rendered import CannotRender, Problem, ProblemKind
from homing.spool.types import MOST_INLINED

InlineCss = Callable[[str], str]

MOST_RESULT = 20_971_520  # bytes of what becomes of it, as of whatever is rendered
MOST_FAILED = 3  # messages of a chunk
WITHIN_S = 60.0  # a child that is silent for so long was stopped, or the machine has no time for it
CPU_S = 2  # seconds of one document, give or take one
MEMORY_BYTES = 805_306_368
SIZE = Struct("!I")
DONE, TOO_LARGE, WRONG = b"D", b"L", b"W"
# Ended like this, the child has met a document that is too much for it; ended otherwise, somebody else ended it.
_BY_THE_DOCUMENT = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGXCPU, -signal.SIGILL}
_STYLE = re.compile(r"<style[\s>/]", re.IGNORECASE)


class CannotInline(Permanent):
    """This HTML is too much to have its CSS moved; it always will be."""


class _Ended(Exception):
    """The child has ended. status: as Popen has it."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


def has_styles(html: str) -> bool:
    """Return whether there is CSS to be moved; HTML without any stays as it is, octet for octet."""
    return _STYLE.search(html) is not None


class OfChunk:
    """Moves the CSS of the messages of one chunk; after some that were too much for it, it refuses the others unread.

    Otherwise each recipient of such a content would cost seconds.
    """

    __slots__ = ("_failed", "_inline", "_why")

    def __init__(self, inline: InlineCss) -> None:
        self._inline = inline
        self._failed = 0
        self._why = ""

    def __call__(self, html: str) -> str:
        """Return HTML with its CSS moved.

        raises   CannotRender; Temporary
        """
        if self._failed < MOST_FAILED:
            try:
                return self._inline(html)
            except CannotInline as trouble:
                self._failed += 1
                self._why = str(trouble)
        raise CannotRender(Problem(ProblemKind.HTML, self._why, "html", 1))


class Inliner:
    """Moves CSS. One for a worker; safe to be called from several threads, one document at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, html: str) -> str:
        """Return HTML with the rules of its style elements in the style attributes of what they select.

        What cannot stand there (media queries, :hover) stays in the style element. Nothing is loaded from anywhere.
        It waits for the child: call it from a thread where others must not wait.

        raises   CannotInline; Temporary where there is no child to do it
        """
        if not has_styles(html):
            return html
        given = html.encode("utf-8", "replace")
        if len(given) > MOST_INLINED:
            raise CannotInline(f"the CSS of HTML over {MOST_INLINED} bytes is not inlined")
        with self._lock:
            try:
                try:
                    said, answer = self._asked(given)
                except _Ended as ended:
                    if ended.status in _BY_THE_DOCUMENT:
                        raise CannotInline("its CSS takes too long or too much memory to be inlined") from ended
                    said, answer = self._asked(given)  # somebody ended the child; another one may be luckier
            except (_Ended, OSError) as trouble:
                raise Temporary("the process that inlines CSS is not there") from trouble
        if said == TOO_LARGE:
            raise CannotInline(f"with its CSS inlined it would have more than {MOST_RESULT} bytes")
        if said != DONE:
            raise CannotInline(f"its CSS cannot be inlined: {answer.decode('utf-8', 'replace')[:200]}")
        return answer.decode()

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _asked(self, given: bytes) -> tuple[bytes, bytes]:
        """Hand a document over and wait for the answer.

        raises   _Ended; OSError where no child can be started
        """
        if self._child is None:
            self._child = _start()
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        watch = threading.Timer(WITHIN_S, child.kill)
        watch.start()
        try:
            child.stdin.write(SIZE.pack(len(given)) + given)
            child.stdin.flush()
            head = child.stdout.read(1 + SIZE.size)
            if len(head) == 1 + SIZE.size:
                (size,) = SIZE.unpack(head[1:])
                answer = child.stdout.read(size)
                if len(answer) == size:
                    return head[:1], answer
        except BrokenPipeError:
            pass
        finally:
            watch.cancel()
        raise _Ended(self._end())

    def _end(self) -> int | None:
        """End the child, if there is one; return its status."""
        child, self._child = self._child, None
        if child is None:
            return None
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            return child.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _start() -> "subprocess.Popen[bytes]":
    # No secret of ours reaches it: it gets the search path of Python alone.
    return subprocess.Popen(
        [sys.executable, "-m", "homing.spool.css_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        close_fds=True,
        start_new_session=True,
    )
