# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON schema of the daemon's answers, and the part of JSON Schema that it
uses. Stricter than a reader has to be: a key that is not in the schema is a
mistake too, of who added it."""

import json
import re
from pathlib import Path

SCHEMA = json.loads((Path(__file__).resolve().parents[2]
                     / "syncd/schema.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool,
         "number": (int, float), "integer": int, "null": type(None)}
KNOWN = {"type", "properties", "required", "additionalProperties", "items",
         "enum", "const", "anyOf", "minimum", "maximum", "pattern", "$ref",
         "description"}


def is_type(value, name):
    if isinstance(value, bool) and name in ("number", "integer"):
        return False
    return isinstance(value, TYPES[name])


def errors(value, schema, where="$"):
    """What is wrong with it, one by one."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from errors(value, SCHEMA["$defs"][name], where)
        return
    if "anyOf" in schema:
        found = [list(errors(value, s, where)) for s in schema["anyOf"]]
        yield from [] if [] in found else min(found, key=len)
        return
    types = schema.get("type")
    if types and not any(is_type(value, t) for t in
                         ([types] if isinstance(types, str) else types)):
        yield "%s is %r, not %s" % (where, value, types)
        return
    if "const" in schema and value != schema["const"]:
        yield "%s is %r, not %r" % (where, value, schema["const"])
    if "enum" in schema and value not in schema["enum"]:
        yield "%s is %r, none of %s" % (where, value, schema["enum"])
    if is_type(value, "number"):
        if not schema.get("minimum", value) <= value <= schema.get("maximum",
                                                                   value):
            yield "%s is %r" % (where, value)
    if isinstance(value, str) and not re.search(schema.get("pattern", ""),
                                                value):
        yield "%s is %r" % (where, value)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from errors(item, schema["items"], "%s[%d]" % (where, i))
    if isinstance(value, dict):
        yield from object_errors(value, schema, where)


def object_errors(value, schema, where):
    properties = schema.get("properties", {})
    for key in set(schema.get("required", ())) - set(value):
        yield "%s has no %s" % (where, key)
    for key, item in value.items():
        more = properties.get(key, schema.get("additionalProperties"))
        if more is None:
            yield "%s.%s is not in the schema" % (where, key)
        else:
            yield from errors(item, more, "%s.%s" % (where, key))


def check(value, name):
    """An answer of that kind is as the schema has it."""
    wrong = list(errors(value, {"$ref": "#/$defs/" + name}))
    assert not wrong, wrong[:10]
    return value
