"""Schemas of bodies for the OpenAPI document, made from the structs that read them, so that no member can be forgotten."""

from collections.abc import Mapping
from typing import Any

import msgspec

Texts = Mapping[str, str]
_TEMPLATE = "#/components/schemas/{name}"


def components(
    names: Mapping[type, str], texts: Mapping[type, Texts], *, required: Mapping[type, tuple[str, ...]] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the component schemas of structs.

    names      each struct, those within others too, and its name in the document
    texts      what is said of the members of each
    required   members that must be there although the struct can do without: it then tells what is missing
    raises     KeyError for a struct without a name, or a text for a member that does not exist
    """
    _, found = msgspec.json.schema_components(list(names), ref_template=_TEMPLATE)
    by_name = {kind.__name__: kind for kind in names}
    made: dict[str, dict[str, Any]] = {}
    for name, schema in found.items():
        kind = by_name[name]
        members = {member: _tidy(one, by_name, names) for member, one in schema["properties"].items()}
        for member, text in texts.get(kind, {}).items():
            members[member]["description"] = text
        made[names[kind]] = {"type": "object", "properties": members}
        if required and kind in required:
            made[names[kind]]["required"] = list(required[kind])
    return made


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a component."""
    return {"$ref": _TEMPLATE.format(name=name)}


def in_results(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an answer that has its matter in `results`."""
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


def _tidy(schema: Any, by_name: Mapping[str, type], names: Mapping[type, str]) -> Any:
    """Return a member's schema with the document's names, without the defaults that are only null."""
    if isinstance(schema, list):
        return [_tidy(one, by_name, names) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _tidy(one, by_name, names) for name, one in schema.items() if not (name == "default" and one is None)}
    if "$ref" in made:
        made["$ref"] = _TEMPLATE.format(name=names[by_name[made["$ref"].rpartition("/")[2]]])
    return made
