"""Every room opens with a card: what comes in, what goes out, what it owns, where to start. It holds no code."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "homing"
PACKAGES = sorted(path.parent for path in SOURCE.rglob("__init__.py") if "__pycache__" not in path.parts)
WING = SOURCE / "support"  # rooms within a room
ROOMS = [path for path in PACKAGES if path.parent in (SOURCE, WING) and path.name != "sql"]
LINES = ("In ", "Out ", "Owns ", "Start ")


def name(path: Path) -> str:
    return path.relative_to(SOURCE.parent).as_posix()


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_a_card_is_a_docstring_and_nothing_else(package: Path):
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    assert (ast.get_docstring(tree) or "").strip(), f"{name(package)} has no card"
    rest = [line for line in tree.body[1:] if not _is_the_entry_point(package, line)]
    assert not rest, f"{name(package)}/__init__.py holds code; move it into a module"


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_the_card_of_a_room_says_in_out_owns_and_start(room: Path):
    card = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    lines = card.splitlines()
    assert len(lines[0]) > 20, f"the card of {room.name} does not say what the room is for"
    missing = [word.strip() for word in LINES if not any(line.startswith(word) for line in lines)]
    assert not missing, f"the card of {room.name} lacks {missing}"


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_a_card_names_only_modules_that_exist(room: Path):
    card = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    start = card[card.index("\nStart ") :].partition("\n\n")[0] if "\nStart " in card else ""
    words = [word.strip(",.;()") for word in start.split()]
    named = [word for word in words if word.endswith(".py")]
    missing = [word for word in named if not (room / word).exists() and not (SOURCE / word).exists()]
    assert not missing, f"the card of {room.name} sends its reader to {missing}, which is not there"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=name)
def test_every_module_begins_with_its_one_idea(path: Path):
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"


def _is_the_entry_point(package: Path, line: ast.stmt) -> bool:
    """`homing = "homing.cli:main"` in pyproject.toml wants `main` in the room's own name."""
    return package.name == "cli" and isinstance(line, ast.ImportFrom) and [one.name for one in line.names] == ["main"]
