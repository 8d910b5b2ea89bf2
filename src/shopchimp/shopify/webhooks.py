"""A webhook of Shopify's, read only as far as needed: which shop, which topic, which customers, when.

Those about orders, products, checkouts and discounts are read on in `shopify.commerce_webhooks`.

The signature covers the body alone (`shopify.signatures`), so headers are hints: they never decide more than whom to
look at again (reliability.md 6.2). https://shopify.dev/docs/apps/build/webhooks/delivery-structure
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import orjson

from shopchimp.shopify import commerce_webhooks
from shopchimp.shopify.customers import parse_time
from shopchimp.shopify.domains import shop_domain

ADDRESS_LIMIT = 320
LATE = timedelta(days=7)  # a delivery may be a day late; an older time says nothing about how fast we are
AHEAD = timedelta(minutes=5)  # how far their clock may be before ours
_TOPIC = re.compile(r"[a-z0-9_./]{3,80}")
_GID = re.compile(r"(?:gid://shopify/Customer/)?([0-9]{1,19})")
_TOLD = {
    b"topic": "topic",
    b"hmac-sha256": "signature",
    b"shop-domain": "shop",
    b"webhook-id": "webhook_id",
    b"triggered-at": "triggered_at",
}
# the newer "Events" deliveries leave the X- away
_NAMES = {prefix + name: field for name, field in _TOLD.items() for prefix in (b"x-shopify-", b"shopify-")}
_MERGED = ("admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id")
_OWN = ("customer_id", "customerId", "admin_graphql_api_id", "id")
REQUIRED = frozenset({"topic", "signature", "shop"})


class Meaning(Enum):
    """What a topic is to us."""

    PEOPLE = "people"
    GOODS = "goods"  # orders, products, checkouts, carts and discounts
    UNINSTALLED = "uninstalled"
    BULK_FINISHED = "bulk_finished"
    COMPLIANCE = "compliance"
    NOTED = "noted"  # worth remembering that it came, nothing more yet
    UNKNOWN = "unknown"


_MEANINGS = {
    "APP_UNINSTALLED": Meaning.UNINSTALLED,
    "APP_SCOPES_UPDATE": Meaning.NOTED,
    "SHOP_UPDATE": Meaning.NOTED,
    "BULK_OPERATIONS_FINISH": Meaning.BULK_FINISHED,
    "CUSTOMERS_DATA_REQUEST": Meaning.COMPLIANCE,
    "CUSTOMERS_REDACT": Meaning.COMPLIANCE,
    "SHOP_REDACT": Meaning.COMPLIANCE,
}
_PEOPLE = re.compile(
    r"CUSTOMERS_(CREATE|UPDATE|DELETE|ENABLE|DISABLE|MERGE|PURCHASING_SUMMARY)"
    r"|CUSTOMERS_(EMAIL_)?MARKETING_CONSENT_UPDATE|CUSTOMER_TAGS_(ADDED|REMOVED)"
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the headers say. Nothing here is signed."""

    shop: str
    topic: str
    signature: str
    webhook_id: str
    triggered_at: datetime | None

    @property
    def meaning(self) -> Meaning:
        """What the topic is to us."""
        name = enum_name(self.topic)
        if name in _MEANINGS:
            return _MEANINGS[name]
        if _PEOPLE.fullmatch(name):
            return Meaning.PEOPLE
        return Meaning.GOODS if commerce_webhooks.TOPICS.fullmatch(name) else Meaning.UNKNOWN


@dataclass(frozen=True, slots=True)
class Notice:
    """What of a body we need: whom it is about. `shop` is the shop that the body itself names, if it does.

    Without a customer there is nobody to look at; then the poll has to find out (`names_nobody`).
    """

    customers: tuple[int, ...] = ()
    address: str | None = None
    shop: str | None = None

    @property
    def names_nobody(self) -> bool:
        """Whether the body, genuine as it may be, doesn't say whom it is about."""
        return not self.customers


class MissingHeader(ValueError):
    """A header is missing that every delivery has, or it comes twice."""


def enum_name(topic: str) -> str:
    """The topic as GraphQL's `WebhookSubscriptionTopic` spells it."""
    return topic.upper().replace("/", "_").replace(".", "_")


def claims(headers: Iterable[tuple[bytes, bytes]], *, now: datetime) -> Claims:
    """The headers of a delivery, lower-cased names as ASGI gives them. Raises MissingHeader."""
    found: dict[str, bytes] = {}
    seen: set[bytes] = set()
    for name, value in headers:
        field = _NAMES.get(name)
        if field is None:
            continue
        if name in seen or found.setdefault(field, value) != value:
            raise MissingHeader(f"{field} is there twice")
        seen.add(name)
    if not found.keys() >= REQUIRED:
        raise MissingHeader("no topic, signature or shop")
    said = {field: value.decode("latin-1").strip() for field, value in found.items()}
    topic = said["topic"].lower()
    try:
        shop = shop_domain(said["shop"])
    except ValueError:
        raise MissingHeader("not a shop domain") from None
    return Claims(
        shop=shop,
        topic=topic if _TOPIC.fullmatch(topic) else "unknown",
        signature=said["signature"],
        webhook_id=said.get("webhook_id", ""),
        triggered_at=sane_time(parse_time(said.get("triggered_at")), now=now),
    )


def sane_time(moment: datetime | None, *, now: datetime) -> datetime | None:
    """A time of theirs that can be when something happened just now: never in the future, not ages ago."""
    if moment is None:
        return None
    try:
        moment = moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return min(moment, now) if now - LATE <= moment <= now + AHEAD else None


def notice(body: bytes) -> Notice:
    """Whom a genuine body is about. Never raises: what can't be read names nobody."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Notice()
    if not isinstance(said, dict):
        return Notice()
    customers = tuple(dict.fromkeys(_customers(said)))
    address = said.get("email_address") if "email_address" in said else said.get("email")
    return Notice(customers, _address(address), _shop(said))


def _customers(said: dict[str, Any]) -> list[int]:
    """Every family of topics names the customer in a place of its own (contracts/shopify/webhooks)."""
    merged = [_customer(said.get(name)) for name in _MERGED]
    if any(merged):
        return [number for number in merged if number is not None]
    own = (_customer(said.get(name)) for name in _OWN)
    found = next((number for number in own if number is not None), None)
    return [] if found is None else [found]


def _customer(value: object) -> int | None:
    if isinstance(value, str):
        match = _GID.fullmatch(value)
        number = int(match[1]) if match else 0
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return None
    return number if 0 < number < 2**63 else None


def _address(value: object) -> str | None:
    if not isinstance(value, str) or "@" not in value or len(value) > ADDRESS_LIMIT:
        return None
    address = value.strip()
    return address if address.isprintable() else None


def _shop(said: dict[str, Any]) -> str | None:
    named = said.get("shop_domain", said.get("myshopify_domain"))
    return named.lower() if isinstance(named, str) else None
