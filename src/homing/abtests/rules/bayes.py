"""How sure it is that one template is the best.

Of a template with n accepted messages, s of them engaged, the engagement rate is believed to be Beta(1 + s, 1 + n - s): the
posterior of a uniform prior. The chance that template i has the highest rate is

    P(i) = integral over x from 0 to 1 of f_i(x) * product over j != i of F_j(x)

with densities f and distribution functions F. It is taken numerically, on a grid that is fine wherever one of the densities is
not nearly nothing; the F come from the same grid. The P(i) add up to 1, so they are scaled to do so exactly.
"""

import math
from collections.abc import Sequence

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
    densities = [_density(a, b, grid) for a, b in shapes]
    below = [_cumulated(density, grid) for density in densities]
    found = _best(densities, below, grid)
    total = sum(found)
    return [one / total for one in found]


def _grid(shapes: Sequence[tuple[float, float]]) -> list[float]:
    each = max(50, min(POINTS, MOST_POINTS // len(shapes)))
    points = {0.0, 1.0}
    for a, b in shapes:
        mean = a / (a + b)
        deviation = math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
        low, high = max(0.0, mean - REACH * deviation), min(1.0, mean + REACH * deviation)
        points.update(low + (high - low) * step / each for step in range(each + 1))
    return sorted(points)


def _density(a: float, b: float, grid: Sequence[float]) -> list[float]:
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return [_beta(a, b, scale, x) for x in grid]


def _beta(a: float, b: float, scale: float, x: float) -> float:
    if x <= 0.0:
        return b if a == 1.0 else 0.0
    if x >= 1.0:
        return a if b == 1.0 else 0.0
    return math.exp(scale + (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x))


def _cumulated(density: Sequence[float], grid: Sequence[float]) -> list[float]:
    """Return the distribution function on the grid, by trapezia, scaled to end with 1."""
    found, sum_ = [0.0], 0.0
    for place in range(1, len(grid)):
        sum_ += (density[place] + density[place - 1]) / 2.0 * (grid[place] - grid[place - 1])
        found.append(sum_)
    return [one / sum_ for one in found]


def _best(densities: Sequence[Sequence[float]], below: Sequence[Sequence[float]], grid: Sequence[float]) -> list[float]:
    """Return the integral for each template, by trapezia."""
    points = range(len(grid))
    # The product over all others: what those before have, times what those behind have.
    behind = [[1.0] * len(grid)]
    for one in reversed(below[1:]):
        behind.append([behind[-1][point] * one[point] for point in points])
    behind.reverse()
    before = [1.0] * len(grid)
    found = []
    for place, density in enumerate(densities):
        after = behind[place]
        heights = [density[point] * before[point] * after[point] for point in points]
        found.append(sum((heights[p] + heights[p - 1]) / 2.0 * (grid[p] - grid[p - 1]) for p in points if p))
        before = [before[point] * below[place][point] for point in points]
    return found
