"""Bodies and queries of commerce, batch, event and report calls, held against Mailchimp's own API description.

`described.json` is cut from it by scripts/prune_mailchimp_schema.py. Names that it does not have are refused, so
that a misspelt one is noticed; the live API's way is UNVERIFIED. So are its words: `Schema describes ...` is recorded
(APIv3-examples#45), the other sentences are ours.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

from shopchimp.sandbox.mailchimp.clock import parsed
from shopchimp.sandbox.mailchimp.wire import Call, json_kind, schema_problem

Errors = list[tuple[str, str]]
Fine = Callable[[Any], bool]
# Mailchimp's plugin names the lines it changes by PATCH (W), although the description has no `id` there.
_NAMED_LINES: Final = re.compile(r"PATCH /ecommerce/stores/\{store_id\}/(orders|carts)/\{\w+\}")
_NUMBER: Final = re.compile(r"-?\d+")


def check_query(call: Call) -> None:
    known: Mapping[str, Any] = described()[f"{call.method} {call.template}"]["query"]
    for name, value in call.query.items():
        if name not in known:
            raise schema_problem([(name, "This parameter was not expected.")])
        kind = known[name].get("type")
        if (kind == "integer" and not _NUMBER.fullmatch(value)) or (
            kind == "boolean" and value.lower() not in ("true", "false", "0", "1")
        ):
            raise schema_problem([(name, f"Schema describes {kind}, string found instead")])
        allowed, given = known[name].get("enum"), [value]
        if kind == "array":
            allowed, given = known[name].get("items", {}).get("enum"), value.split(",")
        if allowed and not set(given) <= set(allowed):
            raise schema_problem([(name, f"Value must be one of: {', '.join(allowed)}")])


def checked_body(call: Call) -> dict[str, Any]:
    """The body, if the description of this operation allows it."""
    body = call.json()
    operation = f"{call.method} {call.template}"
    if not _fine_for(operation)(body):
        raise schema_problem(errors_of(body, body_schema(operation)))
    return body


def errors_of(value: Any, schema: Mapping[str, Any]) -> Errors:
    """What is wrong with a value, in words; nothing of one that is as described."""
    errors: Errors = []
    _check(value, schema, "", errors)
    return errors


@cache
def described() -> dict[str, Any]:
    text = files("shopchimp.sandbox.mailchimp").joinpath("described.json").read_bytes()
    found: dict[str, Any] = orjson.loads(text)
    return found


@cache
def _fine_for(operation: str) -> Fine:
    return compiled(body_schema(operation))


@cache
def body_schema(operation: str) -> Mapping[str, Any]:
    schema: dict[str, Any] = described()[operation].get("body", {"type": "object"})
    if _NAMED_LINES.fullmatch(operation):
        schema["properties"]["lines"]["items"]["properties"]["id"] = {"type": "string"}
    return schema


# The same twice: a compiled yes or no for every call there is, and the words for the few that are refused.


def compiled(schema: Mapping[str, Any]) -> Fine:
    """Whether `errors_of` would find nothing."""
    match schema.get("type", "object"):
        case "string":
            return _fine_text(schema)
        case "array":
            return _fine_list(schema)
        case "object":
            return _fine_object(schema)
        case "number":
            return lambda value: type(value) is float or type(value) is int
        case kind:
            return lambda value: json_kind(value) == kind


def _fine_text(schema: Mapping[str, Any]) -> Fine:
    limits = schema.keys() & {"enum", "format", "x-maxBytes", "maxLength", "minLength"}
    if not limits:
        return lambda value: type(value) is str
    if limits == {"maxLength"}:
        most = schema["maxLength"]
        return lambda value: type(value) is str and len(value) <= most
    return lambda value: not errors_of(value, schema)


def _fine_list(schema: Mapping[str, Any]) -> Fine:
    fine = compiled(schema.get("items", {}))
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    return lambda value: type(value) is list and least <= len(value) <= most and all(map(fine, value))


def _fine_object(schema: Mapping[str, Any]) -> Fine:
    if "additionalProperties" in schema:
        each_fine = compiled(schema["additionalProperties"])
        return lambda value: type(value) is dict and all(map(each_fine, value.values()))
    if "properties" not in schema:
        return lambda value: type(value) is dict
    known = {name: compiled(each) for name, each in schema["properties"].items()}
    required = tuple(schema.get("required", ()))

    def fine(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for name in required:
            if value.get(name) in (None, ""):
                return False
        for name, each in value.items():  # noqa: SIM110 - a generator costs as much as the look itself
            if name not in known or not known[name](each):
                return False
        return True

    return fine


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
    elif kind == "object":
        _check_object(value, schema, path, errors)


def _check_object(value: dict[str, Any], schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    if "additionalProperties" in schema:
        for name, each in value.items():
            _check(each, schema["additionalProperties"], f"{path}.{name}", errors)
        return
    for name in schema.get("required", ()):
        if value.get(name) in (None, ""):
            errors.append((f"{path}.{name}" if path else name, "This value should not be blank."))
    for name, each in value.items() if "properties" in schema else ():
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
