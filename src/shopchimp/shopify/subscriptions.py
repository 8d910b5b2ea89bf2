"""Webhook subscriptions of one shop: which topics we hear, with no more of each payload than we read.

Made through the API they can be listed and mended, unlike those of `shopify.app.toml` (shopify.md 3.3); Shopify
deletes one after eight failed deliveries, so they are looked at every hour (`services.hooks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.oauth import missing_scopes

LIST = """\
query WebhookSubscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    nodes { id topic uri name format filter includeFields }
    pageInfo { hasNextPage endCursor }
  }
}
"""

CREATE = """\
mutation WebhookSubscriptionCreate($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
"""

UPDATE = """\
mutation WebhookSubscriptionUpdate($id: ID!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
"""

DELETE = """\
mutation WebhookSubscriptionDelete($id: ID!) {
  webhookSubscriptionDelete(id: $id) {
    deletedWebhookSubscriptionId
    userErrors { field message }
  }
}
"""

DOCUMENTS = {"LIST": LIST, "CREATE": CREATE, "UPDATE": UPDATE, "DELETE": DELETE}

# All that a cart is made of: a checkout can't be read again by its token.
_CHECKOUT = (
    "token", "cart_token", "name", "email", "currency", "created_at", "updated_at", "completed_at",
    "abandoned_checkout_url", "total_price", "total_tax", "total_discounts", "discount_codes", "billing_address",
    "shipping_address", "customer", "line_items",
)  # fmt: skip

# What we read of each payload. A time is always among it, so that two acts never have one body.
TOPICS: Mapping[str, tuple[str, ...]] = {
    "CUSTOMERS_CREATE": ("id", "email", "updated_at"),
    "CUSTOMERS_UPDATE": ("id", "email", "updated_at"),
    "CUSTOMERS_DELETE": ("id",),
    "CUSTOMERS_MERGE": ("admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id"),
    "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE": ("customer_id", "email_address", "email_marketing_consent"),
    "CUSTOMERS_MARKETING_CONSENT_UPDATE": ("id", "sms_marketing_consent"),
    "CUSTOMER_TAGS_ADDED": ("customerId", "occurredAt"),
    "CUSTOMER_TAGS_REMOVED": ("customerId", "occurredAt"),
    "APP_UNINSTALLED": ("id", "myshopify_domain"),
    "APP_SCOPES_UPDATE": ("id", "updated_at"),
    "BULK_OPERATIONS_FINISH": ("admin_graphql_api_id", "completed_at"),
    "ORDERS_CREATE": ("id", "updated_at"),
    "ORDERS_UPDATED": ("id", "updated_at"),
    "ORDERS_PAID": ("id", "updated_at"),
    "ORDERS_CANCELLED": ("id", "updated_at"),
    "ORDERS_FULFILLED": ("id", "updated_at"),
    "ORDERS_EDITED": ("order_edit",),
    "ORDERS_DELETE": ("id",),
    "REFUNDS_CREATE": ("order_id", "created_at"),
    "CHECKOUTS_CREATE": _CHECKOUT,
    "CHECKOUTS_UPDATE": _CHECKOUT,
    "CHECKOUTS_DELETE": ("id", "cart_token"),
    "CARTS_CREATE": ("id", "token", "updated_at"),
    "CARTS_UPDATE": ("id", "token", "updated_at"),
    "PRODUCTS_CREATE": ("id", "updated_at"),
    "PRODUCTS_UPDATE": ("id", "updated_at"),
    "PRODUCTS_DELETE": ("id",),
    "DISCOUNTS_CREATE": ("admin_graphql_api_id", "updated_at"),
    "DISCOUNTS_UPDATE": ("admin_graphql_api_id", "updated_at"),
    "DISCOUNTS_DELETE": ("admin_graphql_api_id", "deleted_at"),
    "DISCOUNTS_REDEEMCODE_ADDED": ("admin_graphql_api_id", "redeem_code", "updated_at"),
    "DISCOUNTS_REDEEMCODE_REMOVED": ("admin_graphql_api_id", "redeem_code", "updated_at"),
}
_ORDERS = ("read_orders", "read_products")  # an order can't be read without the products of its lines
# What has to be granted to hear of it. Nobody has to grant all of them: what is missing is found by the polls, or off.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "CUSTOMERS_MERGE": ("read_customer_merge",),
    **dict.fromkeys((name for name in TOPICS if name.startswith(("ORDERS_", "REFUNDS_"))), _ORDERS),
    **dict.fromkeys((name for name in TOPICS if name.startswith(("CHECKOUTS_", "CARTS_"))), _ORDERS),
    **dict.fromkeys((name for name in TOPICS if name.startswith("PRODUCTS_")), ("read_products",)),
    **dict.fromkeys((name for name in TOPICS if name.startswith("DISCOUNTS_")), ("read_discounts",)),
}
PREFIX = "shopchimp-"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as Shopify shows it."""

    id: str
    topic: str
    uri: str
    name: str
    fields: frozenset[str]
    filter: str

    def hears(self, uri: str) -> bool:
        """Whether it brings to this address all we read of its topic, and no more."""
        return self.uri == uri and not self.filter and self.fields == frozenset(TOPICS.get(self.topic, ()))


def name_of(topic: str) -> str:
    """The name that marks a subscription as ours (at most 50 characters)."""
    return f"{PREFIX}{topic.lower()}"[:50]


def wanted(scopes: str) -> list[str]:
    """The topics that a shop with these granted scopes can be heard on."""
    granted = [scope.strip() for scope in scopes.split(",")]
    return [topic for topic in TOPICS if not missing_scopes(NEEDS.get(topic, ()), granted)]


def all_subscriptions(client: ShopifyClient) -> list[Subscription]:
    """Every subscription that this app made through the API in this shop."""
    found: list[Subscription] = []
    after: str | None = None
    while True:
        page = client.execute(LIST, "WebhookSubscriptions", {"after": after}).get("webhookSubscriptions") or {}
        found += [_subscription(node) for node in page.get("nodes") or () if isinstance(node, dict)]
        place = page.get("pageInfo") or {}
        after = place.get("endCursor")
        if not place.get("hasNextPage") or not after:
            return found


def create(client: ShopifyClient, topic: str, uri: str) -> str | None:
    """Hear this topic. None when it is so (also where it was already), else Shopify's words for no."""
    wish = _input(topic, uri)
    words = _created(client, topic, wish)
    if words is not None and words.lower().startswith("name"):  # another of this app's has it: the name is a nicety
        words = _created(client, topic, {name: value for name, value in wish.items() if name != "name"})
    return None if words is not None and "taken" in words.lower() else words


def update(client: ShopifyClient, subscription: Subscription, uri: str) -> str | None:
    """Bring a subscription to what we want of it. None when it is so, else Shopify's words."""
    variables = {"id": subscription.id, "webhookSubscription": _input(subscription.topic, uri)}
    return _words(client.execute(UPDATE, "WebhookSubscriptionUpdate", variables), "webhookSubscriptionUpdate")


def delete(client: ShopifyClient, subscription_id: str) -> None:
    """Stop hearing. One that is gone already is as good."""
    client.execute(DELETE, "WebhookSubscriptionDelete", {"id": subscription_id})


def _created(client: ShopifyClient, topic: str, wish: Mapping[str, Any]) -> str | None:
    variables = {"topic": topic, "webhookSubscription": wish}
    return _words(client.execute(CREATE, "WebhookSubscriptionCreate", variables), "webhookSubscriptionCreate")


def _input(topic: str, uri: str) -> dict[str, Any]:
    fields = list(TOPICS[topic])
    return {"uri": uri, "format": "JSON", "includeFields": fields, "filter": "", "name": name_of(topic)}


def _words(data: Mapping[str, Any], field: str) -> str | None:
    payload = data.get(field)
    errors = payload.get("userErrors") if isinstance(payload, dict) else None
    if not isinstance(payload, dict):
        return "no answer"
    return "; ".join(str(error.get("message") or "") for error in errors) if errors else None


def _subscription(node: Mapping[str, Any]) -> Subscription:
    return Subscription(
        id=str(node.get("id") or ""),
        topic=str(node.get("topic") or ""),
        uri=str(node.get("uri") or ""),
        name=str(node.get("name") or ""),
        fields=frozenset(map(str, node.get("includeFields") or ())),
        filter=str(node.get("filter") or ""),
    )
