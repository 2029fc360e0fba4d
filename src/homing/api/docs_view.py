"""What the pages of the documentation show, read out of the OpenAPI document. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from homing.api.bodies import JSON

METHODS = ("get", "post", "put", "delete", "patch", "head")
_DEEPEST = 7
_BOUNDS = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minimum", "{} or more"),
    ("maximum", "{} or less"),
    ("minItems", "at least {} elements"),
    ("maxItems", "at most {} elements"),
    ("maxProperties", "at most {} members"),
    ("pattern", "matches {}"),
    ("default", "default {}"),
)


class Row(msgspec.Struct, frozen=True):
    """One parameter, or one member of a body.

    name    with the names of what it is within
    depth   0: not within anything
    bounds  in words: allowed values, length, default
    """

    name: str
    type: str
    required: bool
    text: str = ""
    bounds: str = ""
    depth: int = 0


class Answer(msgspec.Struct, frozen=True):
    """One answer: a status, what it means, the members of its JSON."""

    status: str
    text: str
    rows: Sequence[Row]


class Fault(msgspec.Struct, frozen=True):
    """One way to be refused. everywhere: every endpoint can answer so."""

    status: int
    code: str
    text: str
    everywhere: bool


class Endpoint(msgspec.Struct, frozen=True):
    """One method of one path."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    paragraphs: Sequence[str]
    grants: Sequence[str]
    staff: Sequence[str]
    parameters: Sequence[Row]
    body: Sequence[Row]
    media: Sequence[str]
    body_required: bool
    example: str
    answers: Sequence[Answer]
    faults: Sequence[Fault]
    limits: Sequence[Mapping[str, Any]]


def endpoints(document: Mapping[str, Any]) -> list[Endpoint]:
    """Return what there is, by resource, in the order of the document."""
    found = [
        _endpoint(document, path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    order = {tag["name"]: place for place, tag in enumerate(document["tags"])}
    return sorted(found, key=lambda one: order[one.tag])


def title(tag: str) -> str:
    """Return a resource's name as a heading."""
    return tag.replace("-", " ").capitalize().replace("Api ", "API ")


def rows_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Row]:
    """Return the members of a schema, those of members after them; `name[].other` is a member of a list's elements."""
    return list(_members(schema, schemas, "", 0, ()))


def faults_of(errors: Sequence[Mapping[str, Any]], everywhere: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Return the ways to be refused, by status."""
    made = []
    for error in errors:
        said = [str(error["message"])]
        if error.get("description"):
            said.append(str(error["description"]))
        text = ": ".join(said)
        made.append(Fault(error["status"], str(error.get("code", "")), text, error in everywhere))
    return sorted(made, key=lambda fault: fault.status)


def _endpoint(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Endpoint:
    schemas = document["components"]["schemas"]
    body = operation.get("requestBody", {})
    media = list(body.get("content", {}))
    content: Mapping[str, Any] = body["content"][media[0]] if media else {}
    description = operation.get("description", "")
    return Endpoint(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        tag=operation["tags"][0],
        summary=operation["summary"],
        paragraphs=[part for part in description.split("\n\n") if part and not part.startswith(("Grant: ", "Staff: "))],
        grants=operation.get("x-homing-grants", ()),
        staff=operation.get("x-homing-staff", ()),
        parameters=[_parameter(one, schemas) for one in operation.get("parameters", ())],
        body=rows_of(content.get("schema", {}), schemas),
        media=media,
        body_required=bool(body.get("required")),
        example=_example(method, path, media, content.get("example"), guarded=bool(operation.get("security"))),
        answers=[_answer(status, one, schemas) for status, one in operation["responses"].items() if status.startswith("2")],
        faults=faults_of(operation["x-homing-errors"], document["x-homing-errors"]),
        limits=operation["x-homing-limits"],
    )


def _example(method: str, path: str, media: Sequence[str], body: Any, *, guarded: bool) -> str:
    lines = [f"{method.upper()} {path} HTTP/1.1"]
    if guarded:
        lines.append("Authorization: <API key>")
    if body is not None:
        as_json = media[0] == JSON
        shown = msgspec.json.format(msgspec.json.encode(body), indent=2).decode() if as_json else str(body)
        lines += [f"Content-Type: {media[0]}", "", shown]
    return "\n".join(lines)


def _parameter(parameter: Mapping[str, Any], schemas: Mapping[str, Any]) -> Row:
    schema = parameter["schema"]
    where = {"query": "query", "path": "path", "header": "header"}[parameter["in"]]
    return Row(
        parameter["name"],
        f"{_type(schema, schemas)} in the {where}",
        bool(parameter.get("required")),
        parameter.get("description", schema.get("description", "")),
        _bounds(schema),
    )


def _answer(status: str, answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> Answer:
    content: Mapping[str, Any] = next(iter(answer.get("content", {}).values()), {})
    return Answer(status, answer["description"], rows_of(content.get("schema", {}), schemas))


def _members(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str, depth: int, seen: tuple[str, ...]
) -> Iterator[Row]:
    if depth > _DEEPEST:
        return
    for one, names in _variants(schema, schemas, seen):
        if one.get("items") is not None:
            yield from _members(one["items"], schemas, f"{prefix}[]", depth, names)
        required = one.get("required", ())
        for name, member in one.get("properties", {}).items():
            whole = f"{prefix}.{name}" if prefix else name
            resolved = _resolved(member, schemas)
            text = member.get("description", resolved.get("description", ""))
            yield Row(whole, _type(member, schemas), name in required, text, _bounds(resolved), depth)
            yield from _members(member, schemas, whole, depth + 1, names)


def _variants(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], seen: tuple[str, ...]
) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Yield the schemas that a schema can stand for, with the names of the components that led there."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        if name not in seen:
            yield from _variants(schemas[name], schemas, (*seen, name))
        return
    several = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for one in several:
        yield from _variants(one, schemas, seen)
    if not several:
        yield schema, seen


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one schema that is meant, where it is one; null beside it only says that it may be absent."""
    found = [one for one, _ in _variants(schema, schemas, ()) if one.get("type") != "null"]
    return found[0] if len(found) == 1 else schema


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    names: list[str] = []
    for one, _ in _variants(schema, schemas, ()):
        kinds = one.get("type", "any")
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            name = kind
            if kind == "array":
                element = _type(one.get("items", {}), schemas)
                name = "list" if element == "any" else "list of " + " or ".join(f"{part}s" for part in element.split(" or "))
            elif kind == "string" and one.get("contentEncoding") == "base64":
                name = "base64"
            if name != "null" and name not in names:
                names.append(name)
    return " or ".join(names) or "any"


def _bounds(schema: Mapping[str, Any]) -> str:
    said = [text.format(_plain(schema[name])) for name, text in _BOUNDS if name in schema]
    values = schema.get("enum") or schema.get("items", {}).get("enum")
    if values:
        said.insert(0, "one of " + ", ".join(map(str, values)))
    return "; ".join(said)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)
