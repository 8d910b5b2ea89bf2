"""A body is checked twice over, by a compiled yes or no and by one that finds the words: they must not differ."""

from __future__ import annotations

import json
from importlib.resources import files
from random import Random
from typing import Any

import pytest

from shopchimp.sandbox.mailchimp.described import body_schema, compiled, errors_of

API = json.loads(files("shopchimp.sandbox.mailchimp").joinpath("described.json").read_bytes())
OPERATIONS = [name for name, each in API.items() if "body" in each]
WRONG: list[Any] = [None, "", "x" * 300, "é" * 130, 0, -1, 2.5, True, [], {}, [None], {"id": 1}, "2026-01-01"]


def made(schema: dict[str, Any], dice: Random, wrong: float) -> Any:
    """A value of this description, parts of which are now and then something else."""
    if dice.random() < wrong:
        return dice.choice(WRONG)
    match schema.get("type", "object"):
        case "string":
            moment = "2026-11-22T10:00:00+00:00"
            return dice.choice(schema.get("enum", [moment if schema.get("format") == "date-time" else "word"]))
        case "array":
            return [made(schema.get("items", {}), dice, wrong) for _ in range(dice.randrange(1, 3))]
        case "object":
            names = [
                name
                for name in schema.get("properties", {})
                if name in schema.get("required", ()) or dice.random() < 0.4
            ]
            body = {name: made(schema["properties"][name], dice, wrong) for name in names}
            return body | {"surprise": 1} if dice.random() < wrong / 2 else body
        case kind:
            return {"number": 2.5, "integer": 3, "boolean": False}[kind]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_yes_or_no_agrees_with_the_words(operation: str) -> None:
    schema = body_schema(operation)
    fine, dice, verdicts = compiled(schema), Random(operation), set()
    for number in range(150):
        body = made(schema, dice, 0.0 if number < 30 else 0.1)
        problems = errors_of(body, schema)
        assert fine(body) == (not problems), (body, problems)
        verdicts.add(not problems)
    assert verdicts == {True, False}
