"""Who lives in the demo's town: recipients that are the same in every run."""

from collections.abc import Sequence
from itertools import product

from homing.simulator.providers import Provider

# Of 1,000 recipients, so many are at each provider of the default cast.
_OF_THOUSAND = {
    "Bigmail": 300,
    "Oldmail": 150,
    "Corpmail": 140,
    "Greypost": 75,
    "Wobbly": 60,
    "Cutoff": 50,
    "Rustykey": 50,
    "Fullhouse": 40,
    "Snailmail": 30,
    "Fortress": 30,
    "Homelab": 30,
    "Nomail": 15,
    "Typo": 15,
    "Lamedns": 15,
}
_COLOURS = (
    "amber azure beige black blue bronze coral crimson cyan ebony emerald gold green grey indigo ivory jade lilac lime "
    "magenta maroon mauve ochre olive orange pearl pink plum purple red ruby rust sepia silver teal violet white"
)
_ANIMALS = (
    "badger bear beaver bison crane crow deer dolphin dove eagle falcon finch fox gecko hare hawk heron ibis kestrel lark "
    "lynx magpie marten mole moose newt otter owl plover puffin raven robin seal shrew sparrow stoat stork swan tern toad "
    "trout vole walrus weasel whale wolf wren"
)


def shares(cast: Sequence[Provider], count: int) -> dict[str, int]:
    """Return how many of so many recipients each provider has; together they are exactly so many."""
    weights = {provider.name: _OF_THOUSAND.get(provider.name, 10) for provider in cast}
    total = sum(weights.values())
    given = {name: count * weight // total for name, weight in weights.items()}
    first = next(iter(given))
    given[first] += count - sum(given.values())
    return given


def recipients(cast: Sequence[Provider], count: int) -> list[tuple[str, str]]:
    """Return (address, name) of so many recipients, spread over the providers and mixed as a real list is."""
    people = [
        (f"{colour}.{animal}", f"{colour.title()} {animal.title()}")
        for animal, colour in product(_ANIMALS.split(), _COLOURS.split())
    ]
    by_provider: list[list[tuple[str, str]]] = []
    taken = 0
    for provider in cast:
        domains = [*provider.domains, *(domain for domain, _ in provider.also)]
        mine = []
        for number in range(shares(cast, count)[provider.name]):
            place = taken + number
            local, name = people[place % len(people)]
            again = place // len(people)
            # Nine in ten are at the first domain, as at a real provider with a few others.
            domain = domains[0] if number % 10 else domains[number // 10 % len(domains)]
            mine.append((f"{local}{again or ''}@{domain}", name))
        taken += len(mine)
        by_provider.append(mine)
    return _mixed(by_provider)


def _mixed(groups: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Return all members so that each group is spread evenly over the whole."""
    placed = [((number + 0.5) / len(group), member) for group in groups for number, member in enumerate(group)]
    return [member for _, member in sorted(placed, key=lambda one: one[0])]
