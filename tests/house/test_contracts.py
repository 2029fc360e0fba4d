"""The house is built as pyproject.toml says: imports go down, rules are pure, asyncpg stays in one place."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def test_the_import_contracts_are_kept():
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_room_stands_on_a_floor():
    floors = [room.strip() for floor in CONFIG["contracts"][0]["layers"] for room in floor.split("|")]
    ignored = CONFIG["contracts"][0]["exhaustive_ignores"]
    rooms = {path.name for path in (ROOT / "src" / "homing").iterdir() if (path / "__init__.py").exists()}
    assert rooms - set(ignored) == set(floors)


def test_every_room_with_rules_is_under_the_contract_of_purity():
    rooms = ROOT / "src" / "homing"
    pure = {module for contract in CONFIG["contracts"] if "pure" in contract["name"] for module in contract["source_modules"]}
    unpure = [
        module
        for path in sorted(rooms.glob("*/rules"))
        if (module := f"homing.{path.parent.name}.rules") not in pure and not _imports_the_world(path)
    ]
    assert {module for module in unpure if module.split(".")[1] in _HOT} == set(), "add them to the contract"
    dirty = [path for path in sorted(rooms.rglob("rules")) if _imports_the_world(path)]
    assert not dirty, f"rules import the world: {dirty}"


_HOT = {"events", "ingress", "delivery", "queue"}
_WORLD = ("asyncio", "socket", "asyncpg", "uvloop", "litestar", "homing.ground.db", "homing.ground.clock", "time", "random")


def _imports_the_world(folder: Path) -> bool:
    lines = [line.strip() for path in folder.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    return any(
        line == f"import {name}" or line.startswith((f"import {name} ", f"from {name} ")) for line in lines for name in _WORLD
    )
