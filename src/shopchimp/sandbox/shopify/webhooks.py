"""Webhook subscriptions made through the API (shopify.md section 3.3): stored, listed, and dropped when they fail.

`announcing.py` is where what happens in the shop meets this list.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from shopchimp.sandbox.shopify.fields import iso
from shopchimp.sandbox.shopify.store import number_of

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,50}")
MOST_FAILURES: Final = 8  # deliveries in a row whose last try failed; then the subscription is dropped
NEEDS: Final = {  # shopify.md 3.4
    "CUSTOMERS_MERGE": "read_customer_merge",
    "CUSTOMER": "read_customers",
    "ORDER": "read_orders",
    "REFUND": "read_orders",
    "CHECKOUT": "read_orders",
    "CART": "read_orders",
    "PRODUCT": "read_products",
    "COLLECTION": "read_products",
    "DISCOUNT": "read_discounts",
}


@dataclass(slots=True)
class Webhooks:
    by_number: dict[int, dict[str, Any]] = field(default_factory=dict)
    last: int = 1_000_000_000_000
    failures: Counter[int] = field(default_factory=Counter)

    def create(self, topic: str, given: Mapping[str, Any], *, now: int, scopes: Collection[str]) -> dict[str, Any]:
        if not _may_hear(topic, scopes):
            message = f"You do not have permission to create or update webhooks with the topic {topic}"
            return _refused(["topic"], message)
        if problem := self._problem(topic, given, None):
            return _refused(*problem)
        self.last += 1
        webhook = {
            "__typename": "WebhookSubscription",
            "id": f"gid://shopify/WebhookSubscription/{self.last}",
            "legacyResourceId": str(self.last),
            "topic": topic,
            "format": given.get("format") or "JSON",
            "apiVersion": {"handle": "2026-10", "displayName": "2026-10 (Latest)", "supported": True},
            "metafields": [],
            "createdAt": iso(now),
            **_settings(given),
            "updatedAt": iso(now),
        }
        self.by_number[self.last] = webhook
        return {"webhookSubscription": webhook, "userErrors": []}

    def update(self, gid: str, given: Mapping[str, Any], *, now: int) -> dict[str, Any]:
        webhook = self.get(gid)
        if webhook is None:
            return _refused(["id"], "Webhook subscription does not exist")
        merged = {**webhook, **given}
        if problem := self._problem(webhook["topic"], merged, webhook):
            return _refused(*problem)
        webhook.update({**_settings(merged), "updatedAt": iso(now)})
        return {"webhookSubscription": webhook, "userErrors": []}

    def delete(self, gid: str) -> dict[str, Any]:
        if self.get(gid) is None:
            error = {"field": ["id"], "message": "Webhook subscription does not exist"}
            return {"deletedWebhookSubscriptionId": None, "userErrors": [error]}
        del self.by_number[number_of(gid, "WebhookSubscription") or 0]
        return {"deletedWebhookSubscriptionId": gid, "userErrors": []}

    def of_topic(self, topic: str) -> list[tuple[int, dict[str, Any]]]:
        """With their numbers. The list is a copy: the courier's thread may drop one at any time."""
        return [(number, each) for number, each in list(self.by_number.items()) if each["topic"] == topic]

    def failed(self, number: int) -> None:
        """A delivery was given up; called by the courier's thread."""
        self.failures[number] += 1
        if self.failures[number] >= MOST_FAILURES:
            self.by_number.pop(number, None)

    def delivered(self, number: int) -> None:
        self.failures.pop(number, None)

    def get(self, gid: str) -> dict[str, Any] | None:
        return self.by_number.get(number_of(gid, "WebhookSubscription") or 0)

    def _problem(
        self, topic: str, given: Mapping[str, Any], itself: Mapping[str, Any] | None
    ) -> tuple[list[str], str] | None:
        address = ["webhookSubscription", "callbackUrl"]
        uri = _uri(given)
        try:
            parts = urlsplit(uri)
            named = parts.port is None or bool(parts.hostname)
        except ValueError:
            named = False
        if not named or parts.scheme not in ("http", "https", "pubsub", "arn"):
            return address, "Address is invalid"
        # Shopify takes https only; a product under test on the same machine has no certificate.
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            return address, "Address protocol http:// is not supported"
        if (parts.hostname or "").endswith((".myshopify.com", ".shopify.com")):
            return address, "Address cannot be a Shopify or an internal domain"
        others = [each for each in list(self.by_number.values()) if each is not itself]
        same = (topic, uri, given.get("filter") or "")
        if any((each["topic"], each["uri"], each["filter"] or "") == same for each in others):
            return address, "Address for this topic has already been taken"
        name = given.get("name")
        if name is not None and not NAME.fullmatch(name):
            return ["webhookSubscription", "name"], "Name is invalid"
        if name is not None and any(each["name"] == name for each in others):
            return ["webhookSubscription", "name"], "Name has already been taken"
        return None


def _may_hear(topic: str, scopes: Collection[str]) -> bool:
    scope = next((scope for start, scope in NEEDS.items() if topic.startswith(start)), None)
    return scope is None or scope in scopes or scope.replace("read_", "write_", 1) in scopes


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    uri = _uri(given)
    return {
        "uri": uri,
        "callbackUrl": uri,
        "filter": given.get("filter"),
        "includeFields": given.get("includeFields") or [],
        "metafieldNamespaces": given.get("metafieldNamespaces") or [],
        "name": given.get("name"),
    }


def _uri(given: Mapping[str, Any]) -> str:
    return given.get("uri") or given.get("callbackUrl") or ""


def _refused(field: list[str], message: str) -> dict[str, Any]:
    return {"webhookSubscription": None, "userErrors": [{"field": field, "message": message}]}
