"""Everything the product sends in a first sync, recorded, against both platforms' own descriptions of their APIs.

The run is made to use as much of the traffic as there is: people change in between, answers get lost, access is
withdrawn and given again.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, get_variable_values, parse, validate

from shopchimp.services import connection
from stage import Row, stage


@pytest.fixture(scope="module")
def traffic(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    file = tmp_path_factory.mktemp("traffic") / "calls.jsonl"
    with stage(new_database(), "--people", "1300", "--record", str(file)) as played:
        sandbox = played.sandbox
        sandbox.faults({"kind": "503", "platform": "mailchimp", "route": "*", "rate": 0.2, "times": 3})
        run_id = played.preview()
        created = next(row for row in played.plan(run_id) if row["kind"] == "create")
        sandbox.edit("mailchimp", created["email"], set={"status": "unsubscribed"}, by="user")
        lost = {"kind": "reset_after", "rate": 1, "times": 2}
        consent = {"platform": "shopify", "route": "CustomerEmailMarketingConsentUpdates"}
        sandbox.faults({**lost, "platform": "mailchimp", "route": "POST /lists/{list_id}"}, {**lost, **consent})
        played.start(run_id)
        played.until(run_id, "done")
        assert sandbox.fired() == 4
        sandbox.control("revoke", platform="mailchimp")
        played.connect()
        connection.all_audiences(played.runtime.gateways, played.shop_id)
    with file.open() as lines:
        return [json.loads(line) for line in lines]


# ------------------------------------------------------------------ Shopify


def test_every_graphql_document_that_was_sent_is_valid(traffic: list[Row], whole_schema: GraphQLSchema) -> None:
    sent = [line["body"] for line in traffic if line["path"].endswith("/graphql.json")]
    names = Counter(body["operationName"] for body in sent)
    assert names.keys() >= {  # and what is asked of the store (test_commerce_traffic)
        "ShopInfo",
        "BulkOperationRunQuery",
        "BulkOperationById",
        "CustomersChanged",
        "CustomerConsents",
        "CustomerEmailMarketingConsentUpdates",
    }
    problems = [problem for body in sent for problem in graphql_problems(whole_schema, body)]
    assert problems == []


def graphql_problems(schema: GraphQLSchema, body: Row) -> Iterator[str]:
    document = parse(body["query"])
    yield from (error.message for error in validate(schema, document))
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    (chosen,) = [each for each in operations if each.name and each.name.value == body["operationName"]]
    values = get_variable_values(schema, chosen.variable_definitions or (), body["variables"])
    if isinstance(values, list):
        yield from (error.message for error in values)
    declared = {each.variable.name.value for each in chosen.variable_definitions or ()}
    yield from (f"{name} is no variable of {body['operationName']}" for name in body["variables"].keys() - declared)
    if body["operationName"] == "BulkOperationRunQuery":
        yield from (error.message for error in validate(schema, parse(body["variables"]["query"])))


def test_the_check_of_graphql_would_notice(whole_schema: GraphQLSchema) -> None:
    def problems(query: str, **variables: Any) -> list[str]:
        body = {"query": query, "operationName": "Ask", "variables": variables}
        return list(graphql_problems(whole_schema, body))

    by_id = "query Ask($id: ID!) { customer(id: $id) { id %s } }"
    assert problems(by_id % "firstName", id="gid://shopify/Customer/1") == []
    assert problems(by_id % "nickName", id="gid://shopify/Customer/1")
    assert problems(by_id % "firstName")
    assert problems(by_id % "firstName", id="gid://shopify/Customer/1", ids=[])
    write = "mutation Ask($i: CustomerEmailMarketingConsentUpdateInput!) { customerEmailMarketingConsentUpdate(input: $i) { userErrors { code } } }"
    state = {"customerId": "gid://shopify/Customer/1", "emailMarketingConsent": {"marketingState": "subscribed"}}
    assert problems(write, i=state)


def test_shopify_is_called_at_the_version_we_say(traffic: list[Row]) -> None:
    paths = {line["path"] for line in traffic if line["platform"] == "shopify" and "/admin/api/" in line["path"]}
    assert {re.sub(r"^/[^/]+", "", path) for path in paths} == {"/admin/api/2026-10/graphql.json"}


# ------------------------------------------------------------------ Mailchimp


def test_every_mailchimp_request_is_as_described(traffic: list[Row], mailchimp: Row) -> None:
    sent = [line for line in traffic if line["platform"] == "mailchimp" and line["path"].startswith("/3.0")]
    routes = Counter(f"{line['method']} {template(mailchimp, line['path'])}" for line in sent)
    assert routes.keys() >= {
        "GET /",
        "GET /lists",
        "GET /lists/{list_id}/merge-fields",
        "POST /lists/{list_id}/merge-fields",
        "GET /lists/{list_id}/members",
        "POST /lists/{list_id}",
    }
    problems = [
        f"{line['method']} {line['path']}: {problem}" for line in sent for problem in rest_problems(mailchimp, line)
    ]
    assert problems == []


def test_no_more_mailchimp_connections_at_once_than_allowed(traffic: list[Row]) -> None:
    assert not [line for line in traffic if line["platform"] == "mailchimp" and line["status"] == 429]


def template(api: Row, path: str) -> str:
    """The path of the description that this one is an instance of."""
    wanted = path.removeprefix("/3.0") or "/"
    for known in api["paths"]:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), wanted):
            return str(known)
    raise AssertionError(f"{path} is not in the description")


def rest_problems(api: Row, line: Row) -> Iterator[str]:
    operation = api["paths"][template(api, line["path"])].get(line["method"].lower())
    if operation is None:
        yield "no such method"
        return
    known = {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == "query"}
    for name, value in line["query"].items():
        yield from query_problems(known.get(name), name, value)
    answer = operation["responses"].get("200", {}).get("schema", {})  # a 204 has none
    for name in filter(None, line["query"].get("fields", "").split(",")):
        if not has_field(api, answer, name.split(".")):
            yield f"fields: {name} is not in the answer"
    bodies = [each["schema"] for each in operation.get("parameters", ()) if each["in"] == "body"]
    if line["body"] is not None and not bodies:
        yield "a body where none is described"
    for schema in bodies if line["body"] is not None else ():
        checker = jsonschema.Draft4Validator(strict(api, schema), format_checker=FORMATS)
        yield from (f"{error.json_path}: {error.message}" for error in checker.iter_errors(line["body"]))


def query_problems(known: Row | None, name: str, value: str) -> Iterator[str]:
    if known is None:
        yield f"{name} is no query parameter"
        return
    kind = known.get("type")
    if kind == "integer" and not (value.isdecimal() and int(value) <= known.get("maximum", int(value))):
        yield f"{name}={value} is too large or no number"
    if kind == "boolean" and value not in ("true", "false"):
        yield f"{name}={value} is neither true nor false"
    if "enum" in known and value not in known["enum"]:
        yield f"{name}={value} is not one of {known['enum']}"


def resolved(api: Row, schema: Any) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        schema = api["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def has_field(api: Row, schema: Any, names: list[str]) -> bool:
    schema = resolved(api, schema)
    schema = resolved(api, schema["items"]) if schema.get("type") == "array" else schema
    if not names:
        return True
    inner = schema.get("properties", {}).get(names[0])
    return inner is not None and has_field(api, inner, names[1:])


def strict(api: Row, schema: Any) -> Any:
    """The schema of a request in which nothing may stand that is not described, nor what only Mailchimp sets.

    Maps (merge fields) stay open, as they are described.
    """
    schema = resolved(api, schema)
    if not isinstance(schema, dict):
        return schema
    made = {name: value for name, value in schema.items() if name not in ("properties", "items")}
    if "items" in schema:
        made["items"] = strict(api, schema["items"])
    if "properties" in schema:
        writable = {name: each for name, each in schema["properties"].items() if not each.get("readOnly")}
        made["properties"] = {name: strict(api, each) for name, each in writable.items()}
        made.setdefault("additionalProperties", False)
    return made


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def test_the_check_would_notice(mailchimp: Row) -> None:
    """What each kind of slip would look like."""

    def problems(method: str, path: str, body: Any = None, **query: str) -> list[str]:
        return list(rest_problems(mailchimp, {"method": method, "path": path, "query": query, "body": body}))

    def member(**more: Any) -> list[str]:
        return problems("POST", "/3.0/lists/a1", {"members": [{"email_address": "ana@example.com", **more}]})

    assert member(status="subscribed", merge_fields={"FNAME": "Ana"}, timestamp_opt="2026-01-01T00:00:00+00:00") == []
    assert member(status="archived")
    assert member(status_if_new="subscribed")
    assert member(timestamp_opt="yesterday")
    assert problems("POST", "/3.0/lists/a1", {"members": [{}] * 501})
    assert problems("POST", "/3.0/lists/a1", {"members": [], "replace_existing": True})
    assert problems("GET", "/3.0/lists/a1/members", count="1001")
    assert problems("GET", "/3.0/lists/a1/members", fields="members.emial_address")
    assert problems("GET", "/3.0/lists/a1/members", limit="10")
    assert problems("GET", "/3.0/lists/a1/members", status="Archived")
    with pytest.raises(AssertionError, match="not in the description"):
        problems("GET", "/3.0/list/a1")


@pytest.fixture(scope="module")
def mailchimp(shared: Callable[[str], Path]) -> Row:
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        return json.load(file)
