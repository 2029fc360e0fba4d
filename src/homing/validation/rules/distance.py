"""How many slips of the fingers lie between two words: a letter too many, too few, another one, or two in the wrong order."""


def slips(one: str, other: str, *, most: int) -> int:
    """Return the distance of two words, or most + 1 where it is more than most.

    source   optimal string alignment: Damerau's four slips, no part touched twice
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, sign in enumerate(one, 1):
        earlier, before, row = before, row, [place]
        for column, letter in enumerate(other, 1):
            cost = min(before[column] + 1, row[-1] + 1, before[column - 1] + (sign != letter))
            if place > 1 and column > 1 and sign == other[column - 2] and one[place - 2] == letter:
                cost = min(cost, earlier[column - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
