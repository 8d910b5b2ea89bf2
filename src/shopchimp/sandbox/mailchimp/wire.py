"""How a call to the Marketing API is matched, answered and refused (mailchimp.md section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import orjson

GLOSSARY: Final = "https://mailchimp.com/developer/marketing/docs/errors/"
INSTANCE: Final = "6b1f0c52-9e3d-4a7b-8c11-2f5d7e9a0b34"
JSON_TYPE: Final = b"application/json; charset=utf-8"
PROBLEM_TYPE: Final = b"application/problem+json; charset=utf-8"
DEEPEST_PATH: Final = 8

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """One request, parsed as far as every route needs it."""

    method: str
    template: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    base_url: str
    reached: Mapping[str, bool] | None = None  # which webhook URLs answered; None: they need not be asked

    def json(self) -> dict[str, Any]:
        """The body as an object. Anything but UTF-8 arrives as NULL, as APIv3-examples#45 reports of the live API."""
        if not self.body:
            raise schema_problem([("", "Schema describes object, NULL found instead")])
        try:
            parsed = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            try:
                self.body.decode()
            except UnicodeDecodeError:
                raise schema_problem([("", "Schema describes object, NULL found instead")]) from error
            raise general("json_parse") from error
        if not isinstance(parsed, dict):
            raise schema_problem([("", f"Schema describes object, {json_kind(parsed)} found instead")])
        return parsed

    def number(self, name: str, default: int, most: int | None = None) -> int:
        try:
            given = int(self.query.get(name, default))
        except ValueError:
            given = -1
        if given < 0 or (most is not None and given > most):
            limit = "a positive number" if most is None else f"a number from 0 to {most}"
            raise schema_problem([(name, f"This value should be {limit}.")])
        return given

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")


class Problem(Exception):
    """A problem document. `untyped`: the live API leaves `type` out of some (mailchimp-for-wordpress#798, #771)."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        errors: list[tuple[str, str]] | None = None,
        untyped: bool = False,
        allow: str = "",
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors
        self.untyped, self.allow = untyped, allow

    def document(self) -> bytes:
        content: dict[str, Any] = {} if self.untyped else {"type": GLOSSARY}
        content |= {"title": self.title, "status": self.status, "detail": self.detail, "instance": INSTANCE}
        if self.errors is not None:
            content["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return orjson.dumps(content)

    def headers(self) -> list[tuple[bytes, bytes]]:
        allow = [(b"allow", self.allow.encode())] if self.allow else []
        return [(b"content-type", PROBLEM_TYPE), *allow]


def schema_problem(errors: list[tuple[str, str]]) -> Problem:
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return Problem(400, "Invalid Resource", detail, errors=errors)


# The sentences of contracts/mailchimp/examples/errors.json, for `X-Trigger-Error` and for the traffic layer.
_GENERAL: Final[Mapping[str, tuple[int, str, str]]] = {
    "bad_request": (400, "Bad Request", "The request could not be understood."),
    "json_parse": (400, "JSON Parse Exception", "We encountered an unspecified JSON parsing error."),
    "invalid_action": (400, "Invalid Action", "The action requested was not valid for this resource."),
    "api_key_invalid": (401, "API Key Invalid", "Your request did not include an API key."),
    "forbidden": (403, "Forbidden", "You are not permitted to access this resource."),
    "user_disabled": (403, "User Disabled", "This account has been deactivated."),
    "not_found": (404, "Resource Not Found", "The requested resource could not be found."),
    "method_not_allowed": (
        405,
        "Method Not Allowed",
        (
            "The requested method and resource are not compatible. "
            "See the Allow header for this resource's available methods."
        ),
    ),
    "nested_too_deep": (414, "Resource Nesting Too Deep", "The sub-resource requested is nested too deeply."),
    "invalid_method_override": (
        422,
        "Invalid Method Override",
        "Your request made use of the X-HTTP-Method-Override header improperly.",
    ),
    "too_many_requests": (
        429,
        "Too Many Requests",
        "You have exceeded the limit of 10 simultaneous connections.",
    ),
    "too_many_pending_batch_webhooks": (
        429,
        "Too Many Requests",
        "You have more than 500 pending webhooks. Please wait for some to complete before adding any more batches.",
    ),
    "internal": (
        500,
        "Internal Server Error",
        "A deep, internal error has occurred during the processing of your request. Please contact support.",
    ),
    "unavailable": (503, "Service Unavailable", "The service is temporarily unavailable."),
}
_BY_TITLE: Final = {each[1].replace(" ", "").lower(): name for name, each in reversed(list(_GENERAL.items()))}


def not_found() -> Problem:
    return general("not_found")


def general(name: str, *, allow: str = "") -> Problem:
    return Problem(*_GENERAL[name], allow=allow)


def triggered(name: str) -> Problem:
    """The error that a caller asked for by `X-Trigger-Error`: a name of ours, or a title with or without spaces."""
    plain = name.replace(" ", "").lower()
    return general(name if name in _GENERAL else _BY_TITLE.get(plain, "internal"))


def json_kind(value: object) -> str:
    """A JSON type in the words of the API's schema messages."""
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "NULL" if value is None else kinds.get(type(value), "unknown")


class Routes(Generic[T]):
    """Path templates with `{names}`, matched segment by segment."""

    def __init__(self, table: Mapping[str, T]) -> None:
        self._root: dict[str | None, Any] = {}
        for line, handler in table.items():
            method, template = line.split(" ", 1)
            node: dict[str | None, Any] = self._root
            for segment in template.split("/")[1:]:
                node = node.setdefault("{}" if segment.startswith("{") else segment, {})
            names = [s[1:-1] for s in template.split("/") if s.startswith("{")]
            node.setdefault(None, {})[method] = (template, names, handler)

    def find(self, path: str) -> tuple[Mapping[str, tuple[str, list[str], T]], list[str]]:
        """The methods known for a path, and the values of its names; no methods: no such path."""
        node: dict[str | None, Any] = self._root
        values = []
        for segment in path.split("/")[1:]:
            if segment in node:
                node = node[segment]
            elif segment and "{}" in node:
                node = node["{}"]
                values.append(segment)
            else:
                return {}, []
        return node.get(None, {}), values  # None marks the end of a template
