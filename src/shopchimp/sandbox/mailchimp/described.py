"""Bodies and queries of commerce and batch calls, held against Mailchimp's own API description.

`commerce_api.json` is cut from it by scripts/prune_mailchimp_schema.py. Names that it does not have are refused, so
that a misspelt one is noticed; the live API's way is UNVERIFIED. So are its words: `Schema describes ...` is recorded
(APIv3-examples#45), the other sentences are ours.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

from shopchimp.sandbox.mailchimp.clock import parsed
from shopchimp.sandbox.mailchimp.wire import Call, json_kind, schema_problem

Errors = list[tuple[str, str]]
# Mailchimp's plugin names the lines it changes by PATCH (W), although the description has no `id` there.
_NAMED_LINES: Final = re.compile(r"PATCH /ecommerce/stores/\{store_id\}/(orders|carts)/\{\w+\}")
_NUMBER: Final = re.compile(r"-?\d+")


def check_query(call: Call) -> None:
    known: Mapping[str, Any] = _api()[f"{call.method} {call.template}"]["query"]
    for name, value in call.query.items():
        if name not in known:
            raise schema_problem([(name, "This parameter was not expected.")])
        kind = known[name].get("type")
        if (kind == "integer" and not _NUMBER.fullmatch(value)) or (
            kind == "boolean" and value.lower() not in ("true", "false", "0", "1")
        ):
            raise schema_problem([(name, f"Schema describes {kind}, string found instead")])


def checked_body(call: Call) -> dict[str, Any]:
    """The body, if the description of this operation allows it."""
    body = call.json()
    errors: Errors = []
    _check(body, _body_of(f"{call.method} {call.template}"), "", errors)
    if errors:
        raise schema_problem(errors)
    return body


@cache
def _api() -> dict[str, Any]:
    text = files("shopchimp.sandbox.mailchimp").joinpath("commerce_api.json").read_bytes()
    found: dict[str, Any] = orjson.loads(text)
    return found


@cache
def _body_of(operation: str) -> Mapping[str, Any]:
    schema: dict[str, Any] = _api()[operation].get("body", {"type": "object"})
    if _NAMED_LINES.fullmatch(operation):
        schema["properties"]["lines"]["items"]["properties"]["id"] = {"type": "string"}
    return schema


def _check(value: Any, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    kind, found = schema.get("type", "object"), json_kind(value)
    if found != kind and not (kind == "number" and found == "integer"):
        errors.append((path, f"Schema describes {kind}, {found} found instead"))
        return
    if kind == "string":
        _check_text(value, schema, path, errors)
    elif kind == "array":
        _check_length(len(value), "Items", schema, path, errors)
        for number, each in enumerate(value):
            _check(each, schema.get("items", {}), f"{path}.item:{number}", errors)
    elif kind == "object" and "properties" in schema:
        for name in schema.get("required", ()):
            if value.get(name) in (None, ""):
                errors.append((f"{path}.{name}" if path else name, "This value should not be blank."))
        for name, each in value.items():
            inner = f"{path}.{name}" if path else name
            if name not in schema["properties"]:
                errors.append((inner, "This field was not expected."))
            elif each not in (None, "") or name not in schema.get("required", ()):
                _check(each, schema["properties"][name], inner, errors)


def _check_text(value: str, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    if "enum" in schema and value not in schema["enum"]:
        errors.append((path, f"Value must be one of: {', '.join(schema['enum'])}"))
    if schema.get("format") == "date-time" and value and parsed(value) is None:
        errors.append((path, "This value should be a date and time in ISO 8601 format."))
    if len(value.encode()) > schema.get("x-maxBytes", len(value) * 4):
        errors.append((path, f"This value is too long. It should have {schema['x-maxBytes']} bytes or less."))
    _check_length(len(value), "Length", schema, path, errors)


def _check_length(length: int, what: str, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    word = "elements" if what == "Items" else "characters"
    if length > schema.get(f"max{what}", length):
        errors.append((path, f"This value is too long. It should have {schema[f'max{what}']} {word} or less."))
    if length < schema.get(f"min{what}", 0):
        errors.append((path, f"This value is too short. It should have {schema[f'min{what}']} {word} or more."))
