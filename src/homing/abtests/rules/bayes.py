"""How sure it is that one template is the best.

Of a template with n accepted messages, s of them engaged, the engagement rate is believed to be Beta(1 + s, 1 + n - s): the
posterior of a uniform prior. The chance that template i has the highest rate is

    P(i) = integral over x from 0 to 1 of f_i(x) * product over j != i of F_j(x)

with densities f and distribution functions F. It is taken numerically, on a grid that is fine wherever one of the densities is
not nearly nothing; the F come from the same grid. The P(i) add up to 1, so they are scaled to do so exactly.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, islice, pairwise
from operator import add, mul

POINTS = 400  # of the grid, for each template; fewer where there are many
MOST_POINTS = 4_000
REACH = 12.0  # standard deviations on both sides; beyond them lies less than any use of the answer can see


def chances(arms: Sequence[tuple[int, int]]) -> list[float]:
    """Return for each (engaged, accepted) the chance that its rate is the highest of all.

    More engaged than accepted (a bounce came after the click) counts as all of them.
    """
    if len(arms) < 2:
        return [1.0] * len(arms)
    shapes = [(1.0 + min(max(s, 0), max(n, 0)), 1.0 + max(n, 0) - min(max(s, 0), max(n, 0))) for s, n in arms]
    grid = _grid(shapes)
    logs = [(math.log(x), math.log1p(-x)) for x in grid[1:-1]]
    densities = [_density(a, b, logs) for a, b in shapes]
    halves = [(right - left) / 2.0 for left, right in pairwise(grid)]
    below = [_cumulated(density, halves) for density in densities]
    found = _best(densities, below, halves)
    total = sum(found)
    return [one / total for one in found]


def _grid(shapes: Sequence[tuple[float, float]]) -> list[float]:
    each = max(50, min(POINTS, MOST_POINTS // len(shapes)))
    points = {0.0, 1.0}
    for a, b in shapes:
        mean = a / (a + b)
        deviation = math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
        low, high = max(0.0, mean - REACH * deviation), min(1.0, mean + REACH * deviation)
        points.update(min(1.0, low + (high - low) * step / each) for step in range(each + 1))
    return sorted(points)


def _density(a: float, b: float, logs: Sequence[tuple[float, float]]) -> list[float]:
    """Return the density on the grid; `logs` are those of x and 1 - x at each point between its ends, 0 and 1."""
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    heads, tails, exp = a - 1.0, b - 1.0, math.exp
    inner = [exp(scale + heads * of_x + tails * of_rest) for of_x, of_rest in logs]
    return [b if a == 1.0 else 0.0, *inner, a if b == 1.0 else 0.0]


def _cumulated(density: Sequence[float], halves: Sequence[float]) -> list[float]:
    """Return the distribution function on the grid, by trapezia, scaled to end with 1."""
    found = list(accumulate(map(mul, map(add, density, islice(density, 1, None)), halves), initial=0.0))
    whole = found[-1]
    return [one / whole for one in found]


def _best(densities: Sequence[Sequence[float]], below: Sequence[Sequence[float]], halves: Sequence[float]) -> list[float]:
    """Return the integral for each template, by trapezia."""
    # The product over all others: what those before have, times what those behind have.
    behind = [[1.0] * len(densities[0])]
    for one in reversed(below[1:]):
        behind.append(list(map(mul, behind[-1], one)))
    before = [1.0] * len(densities[0])
    found = []
    for density, own, after in zip(densities, below, reversed(behind), strict=True):
        heights = list(map(mul, map(mul, density, before), after))
        found.append(sum(map(mul, map(add, heights, islice(heights, 1, None)), halves)))
        before = list(map(mul, before, own))
    return found
