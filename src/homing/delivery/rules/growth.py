"""How many connections a queue deserves: growing with its depth along a saturating curve, never beyond the limit."""

import math

HALF_WAY = 50  # messages waiting at which half of the limit is worth it


def connections_wanted(depth: int, limit: int) -> int:
    """Return how many connections should serve a queue.

    One message gets one connection; the curve limit * depth / (depth + HALF_WAY) approaches the limit as the queue
    deepens, and for shallow queues of sites with a high limit the square root of the depth is enough: a new connection
    costs several round trips, so a few messages do not open as many.

    depth     messages ready now, 0 or more
    limit     most connections allowed here, 0 or more
    returns   0 for an empty queue; never above depth or limit
    """
    if depth <= 0 or limit <= 0:
        return 0
    saturating = limit * depth / (depth + HALF_WAY)
    root = math.sqrt(depth)
    wanted = math.ceil(min(max(saturating, min(root, limit / 2)), 4 * root))
    return max(1, min(wanted, depth, limit))
