"""One test over many rows of which none is an example of its own: all are tried, and every row that fails is named."""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

Row = TypeVar("Row")


def each(
    rows: Callable[[], Iterable[Row]], *, name: Callable[[Row], str] = str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Hand every row to the test as its first argument.

    rows  is asked when the test runs, so that nothing is read where tests are only collected; there must be some
    name  what a failure calls a row
    """

    def whole(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def over_all(**fixtures: Any) -> None:
            __tracebackhide__ = True
            failed: list[Exception] = []
            names: list[str] = []
            tried = list(rows())
            assert tried, "there are no rows"
            for row in tried:
                try:
                    test(row, **fixtures)
                except Exception as trouble:
                    names.append(name(row))
                    trouble.add_note(f"row: {names[-1]}")
                    failed.append(trouble)
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(tried)} rows fail: {', '.join(names)}", failed)

        asked = list(inspect.signature(test).parameters.values())
        over_all.__signature__ = inspect.Signature(asked[1:])  # type: ignore[attr-defined]
        return over_all

    return whole
