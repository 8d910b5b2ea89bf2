"""POST /admin/api/{version}/graphql.json: who calls, what it costs, and Shopify's way of putting errors."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from graphql import GraphQLError

from shopchimp.sandbox.shopify.about import served_version
from shopchimp.sandbox.shopify.call import Call
from shopchimp.sandbox.shopify.cost import DEAREST_QUERY, Bucket
from shopchimp.sandbox.shopify.engine import coerce, prepare, run
from shopchimp.sandbox.shopify.shop import Shop

UNAUTHORIZED: Final = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
RATE_LIMITS: Final = "https://shopify.dev/api/usage/rate-limits"
VERSION: Final = re.compile(r"\d{4}-\d{2}|unstable")

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, dict[str, Any]]


def answer(shop: Shop, version: str, token: str, body: bytes, base_url: str) -> Answer:
    if not VERSION.fullmatch(version):
        return 404, [], {"errors": "Not Found"}
    headers = [(b"x-shopify-api-version", served_version(version).encode())]
    access = shop.tokens.used(token)
    if access is None:
        return 401, headers, UNAUTHORIZED
    try:
        given = orjson.loads(body)
        text = given["query"]
        variables = given.get("variables") or {}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return 400, headers, {"errors": {"query": "Required parameter missing or invalid"}}
    if not isinstance(text, str) or not isinstance(variables, dict):
        return 400, headers, {"errors": {"query": "Required parameter missing or invalid"}}
    call = Call(shop, access.scopes, base_url)
    return 200, headers, execute(call, text, variables, given.get("operationName"))


def execute(call: Call, text: str, variables: dict[str, Any], operation_name: str | None = None) -> dict[str, Any]:
    prepared = prepare(text)
    if prepared.errors:
        return {"errors": [_validation(error) for error in prepared.errors]}
    try:
        operation = prepared.operation(operation_name)
    except GraphQLError as error:
        return {"errors": [error.formatted]}
    coerced = coerce(operation, variables)
    if isinstance(coerced, list):
        return {"errors": [_variable(error, variables) for error in coerced]}
    bucket = call.shop.bucket
    requested = operation.bill.requested(coerced.coerced)
    if refusal := _refusal(bucket, requested):
        return refusal
    content = run(operation, call, variables, coerced)
    actual = operation.bill.actual(content.get("data"), coerced.coerced)
    bucket.pay(actual)
    content["extensions"] = _cost(bucket, requested, actual)
    return content


def _refusal(bucket: Bucket, requested: int) -> dict[str, Any] | None:
    if requested > DEAREST_QUERY:
        message = (
            f"Query cost is {requested}, which exceeds the single query max cost limit ({DEAREST_QUERY}). "
            f"To query larger amounts of data with fewer limits, bulk operations should be used instead."
        )
        extensions = {
            "code": "MAX_COST_EXCEEDED",
            "cost": requested,
            "maxCost": DEAREST_QUERY,
            "documentation": RATE_LIMITS,
        }
        return {"errors": [{"message": message, "extensions": extensions}]}
    if not bucket.affords(requested):
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": RATE_LIMITS}}
        return {"errors": [error], "extensions": _cost(bucket, requested, None)}
    return None


def _cost(bucket: Bucket, requested: int, actual: int | None) -> dict[str, Any]:
    cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status()}
    return {"cost": cost}


def _variable(error: GraphQLError, variables: Mapping[str, Any]) -> dict[str, Any]:
    """A wrong value: Shopify names the variable, the value and the problems with it."""
    found = re.search(r"\$(\w+)", error.message)
    name = found.group(1) if found else ""
    extensions = {
        "code": "INVALID_VARIABLE",
        "value": variables.get(name),
        "problems": [{"path": [], "explanation": error.message}],
    }
    message = f"Variable ${name} was provided invalid value"
    return {"message": message, "locations": error.formatted.get("locations"), "extensions": extensions}


# graphql-core's sentence -> the code of Shopify's error, and its sentence with the same names.
_VALIDATION: Final = (
    (
        re.compile(r"Cannot query field [\"'](?P<field>\w+)[\"'] on type [\"'](?P<type>\w+)[\"']"),
        "undefinedField",
        "Field '{field}' doesn't exist on type '{type}'",
    ),
    (
        re.compile(r"Argument [\"'](?P<type>\w+)\.(?P<field>\w+)\((?P<argument>\w+):\)[\"'] of type .* is required"),
        "missingRequiredArguments",
        "Field '{field}' is missing required arguments: {argument}",
    ),
    (
        re.compile(r"(Value|Expected value|Enum|\w+ cannot represent).*"),
        "argumentLiteralsIncompatible",
        "{0}",
    ),
)


def _validation(error: GraphQLError) -> dict[str, Any]:
    formatted: dict[str, Any] = {**error.formatted}
    for pattern, code, sentence in _VALIDATION:
        if found := pattern.match(error.message):
            formatted["message"] = sentence.format(found.group(), **found.groupdict())
            formatted["extensions"] = {"code": code}
            break
    return formatted
