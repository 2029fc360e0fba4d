"""Documents keep their promises: links lead somewhere, commands and routes exist, nothing private is told."""

import ast
import importlib
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from homing.api.v1 import metrics, support_tam
from homing.cli.app import COMMANDS, app
from homing.webhooks.rules.signature import signature
from tests.kit.each import each

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|`)(?:\.venv/bin/)?homing ((?:[a-z0-9]+ ?){1,2})(?=[^a-z0-9]|$)", re.MULTILINE
)  # in code, not in prose
_ROUTE = re.compile(r"^\| `(GET|POST|PUT|DELETE) (\S+)` \|", re.MULTILINE)
_MAKE = re.compile(r"`make ([a-z-]+)[`\s]|^make ([a-z-]+)$", re.MULTILINE)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


each_page = each(pages, name=name)


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", text_of(page))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path):
    broken = []
    for target in _LINK.findall(_FENCE.sub("", text_of(page))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and other.suffix == ".md" and anchor not in anchors(other)):
            broken.append(target)
    assert not broken


@each_page
def test_commands_exist(page: Path):
    commands: Any = typer.main.get_command(app)
    wrong = []
    for words in _COMMAND.findall(text_of(page)):
        first, *rest = words.split()
        command = commands.get_command(None, first)
        if command is None:
            wrong.append(words)
        subcommands = getattr(command, "commands", None)
        if subcommands and rest and not command.invoke_without_command and rest[0] not in subcommands:
            wrong.append(words)
    assert not wrong


@each_page
def test_targets_of_make_exist(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {one or other for one, other in _MAKE.findall(text_of(page))}
    assert named <= targets


@each_page
def test_pages_tell_nothing_private(page: Path):
    text = text_of(page)
    for pattern in (
        r"/work/",
        r"/root/",
        r"/home/\w",
        r"/tmp/",
        r"\b[\w-]+\.internal\b",
        r"\b[\w-]+\.corp\b",
        r"\bTODO\b",
        r"\bFIXME\b",
    ):
        assert not re.search(pattern, text), f"{name(page)} holds {pattern}"
    for address in re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", re.sub(r"section [\d.]+", "", text)):
        assert address.startswith(("127.", "192.0.2.", "0.0.0.0", "198.51.100.", "203.0.113.")), f"{name(page)} names {address}"
    for domain in re.findall(r"@([\w.-]+\.[a-z]{2,})\b", text):
        assert domain.endswith((".test", "example.com", "example.net", "example.org", ".example")), f"{name(page)} names {domain}"


def test_every_page_of_docs_is_reached_from_the_readme_or_another_page():
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in pages()
        for target in _LINK.findall(text_of(page))
        if not target.startswith("http")
    }
    # docs/benchmarks.md is written by `make bench`; nobody has to link to it before it was run.
    assert not [name(page) for page in pages() if page not in linked and page.name not in ("README.md", "benchmarks.md")]


def test_the_page_of_the_api_lists_the_routes_there_are():
    documented = set(_ROUTE.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
    assert documented == routes()


def routes() -> set[tuple[str, str]]:
    """Return (method, path) of every route, read from the decorators of the handlers; those made in a loop are asked for."""
    nothing: Any = None
    made = [*metrics.routes(pool=nothing, clock=nothing, classes={}), *support_tam.routes(office=nothing, bodies=nothing)]
    found = {
        (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", path))
        for handler in made
        for path in handler.paths
        for method in handler.http_methods - {"HEAD", "OPTIONS"}
    }
    for path in sorted((ROOT / "src" / "homing" / "api").rglob("*.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", []):
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in ("get", "post", "put", "delete"):
                    route = eval(compile(ast.Expression(decorator.args[0]), str(path), "eval"), vars(module))
                    found.add((decorator.func.id.upper(), re.sub(r"\{(\w+):\w+\}", r"{\1}", route)))  # type: ignore[attr-defined]
    return found


def test_help_is_given_for_every_command():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in result.output


def test_the_check_of_a_signature_on_the_page_of_webhooks_works():
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    code = page.split("```python\n", 1)[1].split("```", 1)[0]
    found: dict[str, Any] = {}
    exec(code, found)
    now = int(time.time())
    header = signature("secret", b"[]", moment=now)
    assert found["is_genuine"](header, b"[]", "secret")
    assert not found["is_genuine"](header, b"[1]", "secret")
    assert not found["is_genuine"](header, b"[]", "other")
    assert not found["is_genuine"](signature("secret", b"[]", moment=now - 3600), b"[]", "secret")
