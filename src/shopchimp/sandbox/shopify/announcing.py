"""Tells the app what happens in a shop: each subscription of a topic gets its signed payload, by the courier.

Shopify does not say who made a change, so the app's own writes come back to it like everybody's (shopify.md 3.4).
Topics of the app's toml (compliance, app/uninstalled) go to fixed paths below the app's address and never end.
"""

import base64
import hmac
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from shopchimp.sandbox.courier import Courier, Headers, Told
from shopchimp.sandbox.shopify import payloads
from shopchimp.sandbox.shopify.about import API_VERSION
from shopchimp.sandbox.shopify.search import number_filter, parse, text_filter
from shopchimp.sandbox.shopify.store import Customer, Happening

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop

APP_PATH: Final = "/webhooks/shopify"
COMPLIANCE_PATH: Final = "/webhooks/shopify/compliance"
COMPLIANCE: Final = ("customers/data_request", "customers/redact", "shop/redact")
FIRST_REQUEST: Final = 3_400_000_000_001
_numbers: Final = random.Random()  # noqa: S311 - names, nothing secret


@dataclass(slots=True)
class Announcer:
    """One shop's; `courier` is None until the sandbox has one, and nobody is told anything."""

    shop: "Shop"
    clock: Callable[[], float] = time.time
    courier: Courier | None = None
    requests: int = FIRST_REQUEST
    _event: str = field(default="", init=False)

    def __call__(self, happening: Happening, customer: Customer, first: bool) -> None:
        if self.courier is None:
            return
        at = self.clock()
        if first or not self._event:
            self._event = new_id()
        subscribed = self.shop.webhooks.of_topic(topic_enum(happening.topic))
        if subscribed:
            self._to_subscriptions(subscribed, happening.topic, payloads.of(happening, customer, at=at), at)

    def announce(self, topic: str, make: Callable[[], Mapping[str, Any]], first: bool) -> None:
        """Something of the shop's commerce; the payload is made only if somebody listens."""
        if self.courier is None:
            return
        if first or not self._event:
            self._event = new_id()
        subscribed = self.shop.webhooks.of_topic(topic_enum(topic))
        if subscribed:
            self._to_subscriptions(subscribed, topic, dict(make()), self.clock())

    def uninstalled(self) -> None:
        """To whoever subscribed by the API, and as the toml says. The subscriptions are gone when this is heard."""
        at, content = self.clock(), payloads.whole_shop(self.shop)
        self._event = new_id()
        self._to_subscriptions(self.shop.webhooks.of_topic("APP_UNINSTALLED"), "app/uninstalled", content, at)
        self._to_app(APP_PATH, "app/uninstalled", content, at)

    def compliance(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"topic", "email" | "customer_id", "phone"?}`: the person may be gone from the shop already."""
        topic = given.get("topic")
        if topic not in COMPLIANCE:
            raise ValueError(f"topic must be one of {', '.join(COMPLIANCE)}")
        if self.courier is None or not self.shop.app.url:
            raise ValueError("there is no app address to send it to (--app-url)")
        self.requests += 1
        self._event = new_id()
        content = payloads.compliance(self.shop, topic, self._person(given), number=self.requests)
        self._to_app(COMPLIANCE_PATH, topic, content, self.clock())
        return {"sent": topic, "payload": content}

    def _person(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        customers = self.shop.customers
        number = int(str(given.get("customer_id", 0)).rpartition("/")[2])
        known = customers.by_number.get(number) or customers.with_email(given.get("email") or "")
        person = {"id": known.number, "email": known.email, "phone": known.phone} if known else {}
        asked = {"id": number or None, "email": given.get("email"), "phone": given.get("phone")}
        return {**person, **{name: value for name, value in asked.items() if value}}

    def _to_subscriptions(
        self, subscribed: list[tuple[int, dict[str, Any]]], topic: str, content: payloads.Payload, at: float
    ) -> None:
        for number, webhook in subscribed:
            if webhook["filter"] and not _passes(webhook["filter"], content):
                continue
            chosen = _cut(content, webhook["includeFields"]) if webhook["includeFields"] else content
            name = webhook["name"]
            self._post(
                webhook["uri"],
                topic,
                chosen,
                at,
                name=name,
                on_failed=lambda number=number: self.shop.webhooks.failed(number),  # type: ignore[misc]
                on_delivered=lambda number=number: self.shop.webhooks.delivered(number),  # type: ignore[misc]
            )

    def _to_app(self, path: str, topic: str, content: payloads.Payload, at: float) -> None:
        if self.shop.app.url:
            self._post(f"{self.shop.app.url.rstrip('/')}{path}", topic, content, at)

    def _post(
        self,
        url: str,
        topic: str,
        content: payloads.Payload,
        at: float,
        *,
        name: str | None = None,
        on_failed: Told | None = None,
        on_delivered: Told | None = None,
    ) -> None:
        if self.courier is None or not url.startswith(("http://", "https://")):
            return

        def make() -> tuple[Headers, bytes]:
            body = orjson.dumps(content)
            return self._headers(topic, body, at, name), body

        self.courier.post(
            platform="shopify", topic=topic, url=url, make=make, on_failed=on_failed, on_delivered=on_delivered
        )

    def _headers(self, topic: str, body: bytes, at: float, name: str | None) -> Headers:
        """Those of shopify.md 3.1. Only the body is signed."""
        signature = _keyed(self.shop.app.secret).copy()
        signature.update(body)
        headers = [
            (b"Content-Type", b"application/json"),
            (b"X-Shopify-Topic", topic.encode()),
            (b"X-Shopify-Hmac-Sha256", base64.b64encode(signature.digest())),
            (b"X-Shopify-Shop-Domain", self.shop.domain.encode()),
            (b"X-Shopify-API-Version", API_VERSION.encode()),
            (b"X-Shopify-Webhook-Id", new_id().encode()),
            (b"X-Shopify-Event-Id", self._event.encode()),
            (b"X-Shopify-Triggered-At", payloads.fine(at).encode()),
        ]
        return [*headers, (b"X-Shopify-Name", name.encode())] if name else headers


@cache
def _keyed(secret: str) -> hmac.HMAC:
    """Copied for each body: preparing the key takes longer than signing."""
    return hmac.new(secret.encode(), digestmod="sha256")


def new_id() -> str:
    """An UUID; `uuid4` asks the kernel each time, which takes longer than all the rest of a delivery."""
    digits = f"{_numbers.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def topic_enum(topic: str) -> str:
    """`customer.tags_added` -> CUSTOMER_TAGS_ADDED."""
    return topic.upper().replace("/", "_").replace(".", "_")


def _passes(written: str, content: payloads.Payload) -> bool:
    """Filters on the payload's own top-level fields; what it does not have is not asked."""
    filters = {
        name: number_filter(_number(name)) if isinstance(value, int | float) else text_filter(_text(name))
        for name, value in content.items()
        if not isinstance(value, bool)
    }
    return parse(written, filters).matches(content)


def _number(name: str) -> Callable[[Any], float]:
    return lambda content: float(content[name])


def _text(name: str) -> Callable[[Any], str]:
    return lambda content: str(content[name] or "")


def _cut(content: payloads.Payload, fields: list[str]) -> payloads.Payload:
    """Only the fields asked for; `default_address.city` reaches inside."""
    found: payloads.Payload = {}
    for path in fields:
        name, _, inside = path.partition(".")
        if name not in content:
            continue
        value = content[name]
        if inside and isinstance(value, dict):
            found.setdefault(name, {}).update(_cut(value, [inside]))
        else:
            found[name] = value
    return found
