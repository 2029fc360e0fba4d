"""Every room opens with a card: what comes in, what goes out, what it owns, where to start. It holds no code."""

import ast
import tokenize
from functools import cache
from pathlib import Path

from tests.kit.each import each

SOURCE = Path(__file__).parents[2] / "src" / "homing"
WING = SOURCE / "support"  # rooms within a room
LINES = ("In ", "Out ", "Owns ", "Start ")


@cache
def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@cache
def card(package: Path) -> ast.Module:
    return ast.parse((package / "__init__.py").read_text(encoding="utf-8"))


def packages() -> list[Path]:
    return [path.parent for path in modules() if path.name == "__init__.py"]


def rooms() -> list[Path]:
    return [path for path in packages() if path.parent in (SOURCE, WING) and path.name != "sql"]


def name(path: Path) -> str:
    return path.relative_to(SOURCE.parent).as_posix()


@each(packages, name=name)
def test_a_card_is_a_docstring_and_nothing_else(package: Path):
    tree = card(package)
    assert (ast.get_docstring(tree) or "").strip(), f"{name(package)} has no card"
    rest = [line for line in tree.body[1:] if not _is_the_entry_point(package, line)]
    assert not rest, f"{name(package)}/__init__.py holds code; move it into a module"


@each(rooms, name=name)
def test_the_card_of_a_room_says_in_out_owns_and_start(room: Path):
    told = ast.get_docstring(card(room)) or ""
    lines = told.splitlines()
    assert len(lines[0]) > 20, f"the card of {room.name} does not say what the room is for"
    missing = [word.strip() for word in LINES if not any(line.startswith(word) for line in lines)]
    assert not missing, f"the card of {room.name} lacks {missing}"


@each(rooms, name=name)
def test_a_card_names_only_modules_that_exist(room: Path):
    told = ast.get_docstring(card(room)) or ""
    start = told[told.index("\nStart ") :].partition("\n\n")[0] if "\nStart " in told else ""
    words = [word.strip(",.;()") for word in start.split()]
    named = [word for word in words if word.endswith(".py")]
    missing = [word for word in named if not (room / word).exists() and not (SOURCE / word).exists()]
    assert not missing, f"the card of {room.name} sends its reader to {missing}, which is not there"


@each(modules, name=name)
def test_every_module_begins_with_its_one_idea(path: Path):
    with path.open(encoding="utf-8") as file:  # only its first statement is read: the linters parse the rest
        tokens = tokenize.generate_tokens(file.readline)
        first = next(token for token in tokens if token.type not in (tokenize.COMMENT, tokenize.NL))
        if first.type != tokenize.ENDMARKER:
            assert first.type == tokenize.STRING, f"{name(path)} has no docstring"
            assert ast.get_docstring(ast.parse(first.string)), f"{name(path)} has no docstring"


def _is_the_entry_point(package: Path, line: ast.stmt) -> bool:
    """`homing = "homing.cli:main"` in pyproject.toml wants `main` in the room's own name."""
    return package.name == "cli" and isinstance(line, ast.ImportFrom) and [one.name for one in line.names] == ["main"]
