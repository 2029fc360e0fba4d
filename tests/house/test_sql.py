"""SQL can be reviewed: every statement has a sentence and names its tables, and only a table's owner writes it."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from homing.ground import db
from tests.kit.each import each

SOURCE = Path(__file__).parents[2] / "src" / "homing"
OWNERSHIP = tomllib.loads((SOURCE / "sql" / "ownership.toml").read_text(encoding="utf-8"))
OWNERS: dict[str, str] = OWNERSHIP["owners"]
ALSO = {(row["table"], row["room"]) for row in OWNERSHIP.get("also", [])}
MIGRATIONS = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SOURCE / "sql" / "migrations").glob("*.sql")))
TABLES = set(re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)\b(?! PARTITION OF)", MIGRATIONS, re.MULTILINE))
ELSEWHERE = {"_yoyo_migration", "pg_inherits", "pg_class", "pg_stat_activity"}  # of the migration library and of PostgreSQL
WING = "support"  # its rooms own tables as every other room does
NOTHING = {"nothing", "nothing of ours"}
_WRITTEN = re.compile(r"\b(?:INSERT INTO|DELETE FROM|(?<!FOR )(?<!DO )UPDATE(?! OF\b)(?! SKIP\b))\s+(\w+)", re.IGNORECASE)
_READ = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)", re.IGNORECASE)


class Statement(NamedTuple):
    room: str
    name: str
    sentence: str
    reads: set[str]
    writes: set[str]
    says_tables: bool
    body: str
    file: str

    def __str__(self) -> str:
        return f"{self.room}.{self.name}"


@cache
def statements() -> list[Statement]:
    found = []
    for path in sorted(path for path in SOURCE.rglob("*.sql") if "migrations" not in path.parts):
        for part in re.split(r"^-- name: ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, _, rest = part.partition("\n")
            lines = rest.splitlines()
            comments = [line[2:].strip() for line in lines if line.startswith("--")]
            tables: dict[str, set[str]] = {"reads": set(), "writes": set()}
            said = False
            sentence = []
            for line in comments:
                if re.match(r"(reads|writes):", line):
                    said = True
                    for piece in line.split(";"):
                        kind, _, names = piece.strip().partition(":")
                        tables[kind.strip()] |= {one.strip() for one in names.split(",")} - NOTHING
                else:
                    sentence.append(line)
            body = "\n".join(line for line in lines if not line.startswith("--"))
            name = head.strip().rstrip("!^$<#*")
            found.append(
                Statement(
                    path.parent.relative_to(SOURCE).as_posix(),
                    name,
                    " ".join(sentence),
                    tables["reads"],
                    tables["writes"],
                    said,
                    body,
                    path.name,
                )
            )
    return found


each_statement = each(statements)


def test_every_table_has_an_owner_that_is_a_room():
    assert set(OWNERS) == TABLES
    assert all((SOURCE / room / "__init__.py").exists() for room in OWNERS.values())


def test_the_exceptions_of_ownership_say_why():
    assert all(row["table"] in TABLES and len(row["why"]) > 20 for row in OWNERSHIP.get("also", []))


@each_statement
def test_a_statement_has_a_sentence_and_names_its_tables(statement: Statement):
    assert statement.sentence.endswith("."), f"{statement} has no sentence"
    assert statement.says_tables, f"{statement} has no `reads:` or `writes:` line"


@each_statement
def test_a_statement_names_only_tables_that_exist(statement: Statement):
    assert (statement.reads | statement.writes) <= TABLES | ELSEWHERE


@each_statement
def test_a_statement_touches_what_it_says(statement: Statement):
    written = set(_WRITTEN.findall(statement.body)) & TABLES
    assert written <= statement.writes, f"{statement} writes {written - statement.writes} without saying so"
    read = set(_READ.findall(statement.body)) & TABLES
    assert read <= statement.reads | statement.writes, f"{statement} reads {read - statement.reads} without saying so"


@each_statement
def test_a_table_is_written_only_by_its_owner(statement: Statement):
    foreign = {table for table in statement.writes if OWNERS.get(table) != statement.room and (table, statement.room) not in ALSO}
    assert not foreign, f"{statement} writes {foreign}, which belong to {[OWNERS.get(table) for table in foreign]}"


@each_statement
def test_a_statement_can_be_read_by_the_name_that_it_is_called_by(statement: Statement):
    assert callable(getattr(db.queries("homing." + statement.room.replace("/", "."), statement.file), statement.name))


def test_names_of_statements_are_unique_in_their_room():
    names = [str(statement) for statement in statements()]
    assert len(names) == len(set(names))


@cache
def modules() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))}


def test_copy_writes_only_tables_of_its_room():
    for path, text in modules().items():
        parts = path.relative_to(SOURCE).parts
        room = "/".join(parts[:2]) if parts[0] == WING else parts[0]
        for table in re.findall(r'copy_records_to_table\(\s*"(\w+)"', text):
            assert OWNERS.get(table) == room or (table, room) in ALSO, f"{path.name} copies into {table}"


def test_no_statement_that_writes_hides_in_python():
    pattern = re.compile(r"[\"'](?:INSERT INTO|UPDATE|DELETE FROM) \w+", re.IGNORECASE)
    hidden = [path.name for path, text in modules().items() if pattern.search(text)]
    assert not hidden, f"SQL belongs into queries.sql: {hidden}"
