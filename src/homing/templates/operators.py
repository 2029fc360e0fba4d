"""What the operators of the language do: numbers, truth and comparison as in Lua (SparkPost reference 3.1 to 3.3).

Where Lua would stop, so do we, with a sentence; except that nothing compares as smaller or larger than null.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

_EXACT = 2**53  # whole numbers beyond it are doubles, as all numbers of Lua are
Operate = Callable[[Any, Any], Any]


class WrongType(ValueError):
    """An operator that these values do not have; the text is the whole sentence."""


def kind_of(value: Any) -> str:
    """Return what a value is called in error texts."""
    if value is None:
        return "a null value"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "an object" if isinstance(value, Mapping) else "an array"


def number_of(value: Any) -> int | float:
    """Return a number, also of a text that reads as one.

    raises   WrongType
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 100:
        try:
            return float(value)
        except ValueError:
            pass
    raise WrongType(f"attempt to perform arithmetic on {kind_of(value)}")


def _arithmetic(apply: Callable[[Any, Any], Any]) -> Operate:
    def operate(left: Any, right: Any) -> int | float:
        a, b = number_of(left), number_of(right)
        try:
            result = apply(a, b)
            return result if isinstance(result, float) or -_EXACT <= result <= _EXACT else float(result)
        except OverflowError:
            return math.inf if (a < 0) == (b < 0) else -math.inf

    return operate


def _divided(a: int | float, b: int | float) -> int | float:
    if b == 0:
        return math.nan if a == 0 or a != a else math.copysign(math.inf, a)
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b


def equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal; values of different kinds never are."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    try:
        return bool(left == right)
    except RecursionError:
        return False


def _ordered(compare: Callable[[Any, Any], bool]) -> Operate:
    def operate(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        numbers = (int, float)
        if isinstance(left, bool) or isinstance(right, bool):
            pass
        elif (isinstance(left, numbers) and isinstance(right, numbers)) or (isinstance(left, str) and isinstance(right, str)):
            return compare(left, right)
        raise WrongType(f"attempt to compare {kind_of(left)} with {kind_of(right)}")

    return operate


COMPARISONS: dict[str, Operate] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
}
SUMS: dict[str, Operate] = {"+": _arithmetic(operator.add), "-": _arithmetic(operator.sub)}
PRODUCTS: dict[str, Operate] = {"*": _arithmetic(operator.mul), "/": _arithmetic(_divided)}


def negative(value: Any) -> int | float:
    """Return minus a number. Raises WrongType."""
    return -number_of(value)


def length(value: Any) -> int:
    """Return how many items an array has, or signs a text; 0 of null and of objects.

    raises   WrongType for numbers and booleans
    """
    if isinstance(value, list | tuple | str):
        return len(value)
    if value is None or isinstance(value, Mapping):
        return 0
    raise WrongType(f"attempt to get the length of {kind_of(value)}")


def is_empty(value: Any) -> bool:
    """Return whether there is nothing in an array, object or text, or no value at all; what `empty()` answers."""
    return value is None or (isinstance(value, list | tuple | str | Mapping) and not value)
