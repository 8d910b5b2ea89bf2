"""Metafields of customers and their definitions (shopify.md sections 2.3 and 7.2): typed, 25 a call, all or none.

Whether a write tells `customers/update` is not known (shopify.md 3.4): `tells` says whether it does here.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from shopchimp.sandbox.shopify.fields import iso
from shopchimp.sandbox.shopify.store import Customer, Customers

MOST_A_CALL: Final = 25
MOST_DEFINITIONS: Final = 256  # of one app and one kind of owner
LONGEST_TEXT: Final = 65_535
NAMESPACE: Final = re.compile(r"[A-Za-z0-9_-]{3,255}")
KEY: Final = re.compile(r"[A-Za-z0-9_-]{2,64}")
OWN: Final = "app--80000000001"  # what $app stands for
MOST_INTEGER: Final = 9_007_199_254_740_991
FILTERABLE: Final = ("boolean", "date", "date_time", "number_decimal", "number_integer", "single_line_text_field")
CUSTOMER: Final = "CUSTOMER"
CATEGORIES: Final = {"number": "NUMBER", "date": "DATE_TIME", "boolean": "TRUE_FALSE", "json": "OTHER"}

Name = tuple[str, str]  # namespace and key


@dataclass(slots=True, eq=False)
class Metafield:
    number: int
    owner: Customer
    namespace: str
    key: str
    type: str
    value: str
    created: int
    updated: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.type}:{self.value}".encode()).hexdigest()


@dataclass(slots=True, eq=False)
class Definition:
    number: int
    namespace: str
    key: str
    name: str
    description: str | None
    type: str
    filterable: bool

    @property
    def gid(self) -> str:
        return f"gid://shopify/MetafieldDefinition/{self.number}"


def _integer(value: str) -> bool:
    return re.fullmatch(r"-?\d{1,16}", value) is not None and abs(int(value)) <= MOST_INTEGER


def _decimal(value: str) -> bool:
    return re.fullmatch(r"-?\d{1,13}(\.\d{1,9})?", value) is not None


def _by(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def works(value: str) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return works


# type -> (does a value fit, what Shopify says if not)
TYPES: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "number_integer": (_integer, "Value must be an integer."),
    "number_decimal": (_decimal, "Value must be a decimal."),
    "boolean": (lambda value: value in ("true", "false"), "Value must be true or false."),
    "date": (_by(date.fromisoformat), "Value must be in YYYY-MM-DD format."),
    "date_time": (
        lambda value: "T" in value and _by(datetime.fromisoformat)(value),
        "Value must be in “YYYY-MM-DDTHH:MM:SS” format. For example: 2022-06-01T15:30:00",
    ),
    "json": (_by(orjson.loads), "Value is invalid JSON."),
    "url": (lambda value: urlsplit(value).scheme in ("http", "https", "mailto", "sms", "tel"), "Value must be a URL."),
    "single_line_text_field": (lambda value: "\n" not in value, "Value must be a single line text string."),
    "multi_line_text_field": (lambda _: True, ""),
}


def stored_namespace(given: str | None) -> str:
    """`$app` and a missing one are the app's own."""
    if given is None or given == "$app":
        return OWN
    return f"{OWN}--{given[5:]}" if given.startswith("$app:") else given


@dataclass(slots=True)
class Metafields:
    customers: Customers
    definitions: dict[Name, Definition] = field(default_factory=dict)
    tells: bool = False  # a write is a customers/update too
    last: int = 30_000_000_000_000

    def next_number(self) -> int:
        self.last += 1
        return self.last

    def set(self, given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if len(given) > MOST_A_CALL:
            message = f"Exceeded the maximum metafields input limit of {MOST_A_CALL}."
            return _answer("metafields", [_error(["metafields"], message, "LESS_THAN_OR_EQUAL_TO", None)])
        errors = [error for place, each in enumerate(given) for error in self._problems(each, place)]
        if errors:
            return _answer("metafields", errors)
        written = [self._write(each) for each in given]
        for owner in dict.fromkeys(each.owner for each in written):
            values = {f"{each.namespace}.{each.key}": each.value for each in written if each.owner is owner}
            self.customers.log.add("metafields", owner.gid, values)
            self._tell(owner)
        return {"metafields": written, "userErrors": []}

    def delete(self, given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What is not there is answered with null, which is no error."""
        deleted: list[dict[str, Any] | None] = []
        for each in given:
            owner = self.customers.get(each["ownerId"])
            name = (stored_namespace(each["namespace"]), each["key"])
            if owner is None or owner.metafields is None or owner.metafields.pop(name, None) is None:
                deleted.append(None)
                continue
            deleted.append({"ownerId": owner.gid, "namespace": name[0], "key": name[1]})
            self.customers.log.add("metafields", owner.gid, {f"{name[0]}.{name[1]}": None})
            self._tell(owner)
        return {"deletedMetafields": deleted, "userErrors": []}

    def define(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if errors := list(self._problems_of_definition(given)):
            return _answer("createdDefinition", errors)
        capability = (given.get("capabilities") or {}).get("adminFilterable") or {}
        made = Definition(
            number=self.next_number(),
            namespace=stored_namespace(given.get("namespace")),
            key=given["key"],
            name=given["name"],
            description=given.get("description"),
            type=given["type"],
            filterable=bool(capability.get("enabled", False)),
        )
        self.definitions[made.namespace, made.key] = made
        return {"createdDefinition": made, "userErrors": []}

    def undefine(self, args: Mapping[str, Any]) -> dict[str, Any]:
        identifier = args.get("identifier") or {}
        named = (stored_namespace(identifier.get("namespace")), identifier.get("key") or "")
        found = next((d for d in self.definitions.values() if args.get("id") == d.gid), None)
        found = found or self.definitions.get(named)
        if found is None:
            error = {"field": ["id"], "message": "Definition not found.", "code": "NOT_FOUND"}
            return {"deletedDefinitionId": None, "deletedDefinition": None, "userErrors": [error]}
        del self.definitions[found.namespace, found.key]
        if args.get("deleteAllAssociatedMetafields"):
            for customer in self.customers:
                if customer.metafields:
                    customer.metafields.pop((found.namespace, found.key), None)
        return {"deletedDefinitionId": found.gid, "userErrors": []}

    def of_definition(self, definition: Definition) -> int:
        name = (definition.namespace, definition.key)
        return sum(1 for each in self.customers if each.metafields and name in each.metafields)

    def _problems(self, given: Mapping[str, Any], place: int) -> Iterator[dict[str, Any]]:
        def problem(name: str, message: str, code: str) -> dict[str, Any]:
            return _error(["metafields", str(place), name], message, code, place)

        namespace, key, value = stored_namespace(given.get("namespace")), given["key"], given["value"]
        owner = self.customers.get(given["ownerId"])
        if owner is None:
            yield problem("ownerId", "Owner does not exist.", "INVALID")
        yield from _name_problems(namespace, key, problem)
        definition = self.definitions.get((namespace, key))
        now = owner.metafields.get((namespace, key)) if owner is not None and owner.metafields else None
        kind = given.get("type") or (definition.type if definition else now.type if now else None)
        if definition is not None and kind != definition.type:
            message = f"Type '{kind}' must be consistent with the definition's type: '{definition.type}'."
            yield problem("type", message, "INVALID_TYPE")
        elif kind is None:
            yield problem("type", "Type can't be blank", "BLANK")
        elif kind not in TYPES:
            yield problem("type", f"Type must be one of the following: {', '.join(TYPES)}.", "INCLUSION")
        elif not value:
            yield problem("value", "Value can't be blank", "BLANK")
        elif len(value) > LONGEST_TEXT:
            yield problem("value", f"Value is too long (maximum is {LONGEST_TEXT} characters)", "TOO_LONG")
        elif not TYPES[kind][0](value):
            yield problem("value", TYPES[kind][1], "INVALID_VALUE")
        if "compareDigest" in given and given["compareDigest"] != (now.digest if now else None):
            message = (
                "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value."
            )
            yield _error(["metafields", str(place)], message, "STALE_OBJECT", place)

    def _problems_of_definition(self, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        def problem(name: str, message: str, code: str) -> dict[str, Any]:
            return _error(["definition", name], message, code, None)

        namespace, key = stored_namespace(given.get("namespace")), given["key"]
        yield from _name_problems(namespace, key, problem)
        if given["ownerType"] != CUSTOMER:
            yield problem("ownerType", "The sandbox has metafields of customers only.", "INVALID")
        if not given["name"].strip():
            yield problem("name", "Name can't be blank", "BLANK")
        if given["type"] not in TYPES:
            yield problem("type", f"Type name {given['type']} is not a valid type.", "INCLUSION")
        if (namespace, key) in self.definitions:
            message = f"Key is in use for Customer metafields on the '{namespace}' namespace."
            yield problem("key", message, "TAKEN")
        if len(self.definitions) >= MOST_DEFINITIONS:
            message = f"Stores can only have {MOST_DEFINITIONS} definitions for each store resource."
            yield _error(["definition"], message, "RESOURCE_TYPE_LIMIT_EXCEEDED", None)
        if (given.get("access") or {}).get("admin") and not namespace.startswith(OWN):
            message = 'Setting this access control is not permitted. It must be one of ["public_read_write"].'
            yield _error(["definition", "access", "admin"], message, "ADMIN_ACCESS_INPUT_NOT_ALLOWED", None)

    def _write(self, given: Mapping[str, Any]) -> Metafield:
        owner = self.customers.get(given["ownerId"])
        if owner is None:
            raise LookupError(given["ownerId"])  # checked before
        name, now = (stored_namespace(given.get("namespace")), given["key"]), self.customers.now()
        if owner.metafields is None:
            owner.metafields = {}
        found = owner.metafields.get(name)
        definition = self.definitions.get(name)
        kind = given.get("type") or (definition.type if definition else found.type if found else "")
        if found is None:
            found = Metafield(self.next_number(), owner, *name, kind, given["value"], now, now)
            owner.metafields[name] = found
        else:
            found.type, found.value, found.updated = kind, given["value"], now
        return found

    def _tell(self, owner: Customer) -> None:
        if self.tells:
            self.customers.changed(owner)


def _name_problems(
    namespace: str, key: str, problem: Callable[[str, str, str], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for name, value, allowed, fewest in (("namespace", namespace, NAMESPACE, 3), ("key", key, KEY, 2)):
        if len(value) < fewest:
            yield problem(name, f"{name.title()} is too short (minimum is {fewest} characters)", "TOO_SHORT")
        elif not allowed.fullmatch(value):
            yield problem(name, f"{name.title()} contains one or more invalid characters.", "INVALID")


def _error(where: list[str], message: str, code: str, place: int | None) -> dict[str, Any]:
    return {"field": where, "message": message, "code": code, "elementIndex": place, "elementKey": None}


def _answer(name: str, errors: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: None, "userErrors": errors}


def metafields_of(customer: Customer, args: Mapping[str, Any]) -> list[Metafield]:
    """Those of a namespace, or those named: `keys` are namespace and key, or the key alone beside `namespace`."""
    found = list((customer.metafields or {}).values())
    if (keys := args.get("keys")) is not None:
        own = args.get("namespace")
        wanted = {key if "." in key and own is None else f"{stored_namespace(own)}.{key}" for key in keys}
        return [each for each in found if f"{each.namespace}.{each.key}" in wanted]
    if args.get("namespace") is not None:
        return [each for each in found if each.namespace == stored_namespace(args["namespace"])]
    return found


def metafield_of(customer: Customer, args: Mapping[str, Any]) -> Metafield | None:
    return (customer.metafields or {}).get((stored_namespace(args.get("namespace")), args["key"]))


def shown_of_definition(definition: Definition, metafields: Metafields) -> dict[str, Any]:
    family = definition.type.partition("_")[0]
    eligible = definition.type in FILTERABLE
    return {
        "__typename": "MetafieldDefinition",
        "id": definition.gid,
        "name": definition.name,
        "description": definition.description,
        "namespace": definition.namespace,
        "key": definition.key,
        "ownerType": CUSTOMER,
        "type": {
            "name": definition.type,
            "category": CATEGORIES.get(family, "TEXT"),
            "supportsDefinitionMigrations": True,
        },
        "access": {
            "admin": "MERCHANT_READ" if definition.namespace.startswith(OWN) else "PUBLIC_READ_WRITE",
            "storefront": "NONE",
            "customerAccount": "NONE",
        },
        "capabilities": {
            "adminFilterable": {
                "enabled": definition.filterable,
                "eligible": eligible,
                "status": "FILTERABLE" if definition.filterable else "NOT_FILTERABLE",
            },
            "uniqueValues": {"enabled": False, "eligible": eligible},
        },
        "pinnedPosition": None,
        "useAsCollectionCondition": False,
        "validationStatus": "ALL_VALID",
        "metafieldsCount": metafields.of_definition(definition),
    }


METAFIELD: Final[Mapping[str, Callable[[Metafield], Any]]] = {
    "id": lambda m: f"gid://shopify/Metafield/{m.number}",
    "legacyResourceId": lambda m: str(m.number),
    "namespace": lambda m: m.namespace,
    "key": lambda m: m.key,
    "type": lambda m: m.type,
    "value": lambda m: m.value,
    "jsonValue": lambda m: orjson.loads(m.value) if m.type in ("json", "number_integer", "boolean") else m.value,
    "compareDigest": lambda m: m.digest,
    "createdAt": lambda m: iso(m.created),
    "updatedAt": lambda m: iso(m.updated),
    "ownerType": lambda _: CUSTOMER,
    "sizeInBytes": lambda m: len(m.value.encode()),
    "description": lambda _: None,
}
