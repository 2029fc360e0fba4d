"""docs/settings.md names exactly the settings there are, with their defaults and the sentence that the code gives them."""

import ast
import dataclasses
import io
import re
import tokenize
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from homing.ground import config
from homing.ground.config import Settings
from tests.kit.each import each

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
_ROW = re.compile(r"^\| `HOMING_(\w+)` \| (.*?) \| (.*?) \| `(.*?)` \|$", re.MULTILINE)


class Field(NamedTuple):
    default: Any
    sentence: str


class Row(NamedTuple):
    default: str
    sentence: str
    example: str


@cache
def fields() -> dict[str, Field]:
    """Return each setting with its default and its comment, which may stand over several lines."""
    source = Path(config.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings").body
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    found = {}
    for line in body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            said = [comments[number] for number in range(line.lineno, (line.end_lineno or line.lineno) + 1) if number in comments]
            found[line.target.id] = Field(defaults[line.target.id], " ".join(said))
    return found


def written(default: Any) -> str:
    """Return a default as the page shows it."""
    if default is None or default == () or default == "":
        return "none"
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) and default < 1e5 else f"`{default}`".replace(".0`", "`")


@cache
def rows() -> dict[str, Row]:
    return {name.lower(): Row(*rest) for name, *rest in _ROW.findall(PAGE.read_text(encoding="utf-8"))}


def test_the_page_names_every_setting_and_no_other():
    assert set(rows()) == set(fields()) == {field.name for field in dataclasses.fields(Settings)}


@each(fields)
def test_the_page_tells_the_default_and_the_sentence_of_the_code(name: str):
    assert fields()[name].sentence, f"{name} has no sentence in ground/config.py"
    row = rows()[name]
    assert (row.default, row.sentence) == (written(fields()[name].default), fields()[name].sentence)


@each(fields)
def test_the_example_of_the_page_can_be_set(name: str, tmp_path: Path):
    tls = ("tls_cert", "tls_key")
    together = {"tls_cert": tls, "tls_key": tls, "tracking_certs": tls, "oncall_smtp": ("oncall_smtp_from",)}
    environ = {f"HOMING_{each.upper()}": rows()[each].example for each in (name, *together.get(name, ()))}
    empty = tmp_path / "homing.toml"
    empty.touch()
    assert isinstance(config.read(environ, empty), Settings)


def test_an_unknown_setting_is_refused_with_the_page_to_look_at(tmp_path: Path):
    empty = tmp_path / "homing.toml"
    empty.touch()
    with pytest.raises(config.Misuse, match=r"docs/settings\.md"):
        config.read({"HOMING_NO_SUCH_THING": "1"}, empty)
