"""shopify.app.toml, the subscriptions made through the API, and the routes that hear them fit each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, parse, validate

from shopchimp.config import DEFAULT_SCOPES
from shopchimp.shopify import API_VERSION, subscriptions
from shopchimp.shopify.commerce import NEEDS
from shopchimp.shopify.oauth import missing_scopes
from shopchimp.shopify.webhooks import enum_name
from shopchimp.web import webhooks

TOML = tomllib.loads((Path(__file__).parents[2] / "shopify.app.toml").read_text())


def test_every_address_is_a_route() -> None:
    said = TOML["webhooks"]["subscriptions"]
    assert {each["uri"] for each in said} <= webhooks.SHOPIFY_PATHS
    assert TOML["webhooks"]["api_version"] == API_VERSION
    compliance = [each["compliance_topics"] for each in said if "compliance_topics" in each]
    assert compliance == [["customers/data_request", "customers/redact", "shop/redact"]]
    others = {enum_name(topic) for each in said for topic in each.get("topics", ())}
    assert others <= subscriptions.TOPICS.keys()


@pytest.mark.parametrize("name", subscriptions.DOCUMENTS)
def test_documents_of_subscriptions_are_valid(whole_schema: GraphQLSchema, name: str) -> None:
    assert validate(whole_schema, parse(subscriptions.DOCUMENTS[name])) == []


def test_topics_and_names(whole_schema: GraphQLSchema) -> None:
    known = whole_schema.type_map["WebhookSubscriptionTopic"]
    assert isinstance(known, GraphQLEnumType)
    assert subscriptions.TOPICS.keys() <= known.values.keys()
    names = [subscriptions.name_of(topic) for topic in subscriptions.TOPICS]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 50
    assert "CUSTOMERS_MERGE" not in subscriptions.wanted("read_customers")
    assert "CUSTOMERS_MERGE" in subscriptions.wanted("read_customers,read_customer_merge")


def test_scopes_are_asked_for_and_nobody_has_to_grant_them_all() -> None:
    """Orders older than 60 days are an option (shopify.md 2.6); merged customers are noticed otherwise."""
    said = TOML["access_scopes"]
    asked = DEFAULT_SCOPES.split(",")
    assert said["scopes"].split(",") == asked
    assert said["optional_scopes"] == ["read_all_orders"]
    needed = {scope for scopes in (*NEEDS.values(), *subscriptions.NEEDS.values()) for scope in scopes}
    assert set(missing_scopes(needed, asked)) == {"read_customer_merge"}


@pytest.mark.parametrize(
    ("scopes", "heard", "silent"),
    [
        ("read_customers,write_customers", {"CUSTOMERS_UPDATE"}, {"ORDERS_CREATE", "PRODUCTS_UPDATE", "CARTS_CREATE"}),
        ("read_products", {"PRODUCTS_UPDATE"}, {"ORDERS_CREATE", "DISCOUNTS_CREATE"}),
        ("read_orders", set(), {"ORDERS_CREATE", "CHECKOUTS_UPDATE", "REFUNDS_CREATE"}),  # its lines name products
        ("read_orders, write_products", {"ORDERS_CREATE", "CHECKOUTS_UPDATE", "PRODUCTS_CREATE"}, {"DISCOUNTS_DELETE"}),
        ("read_discounts", {"DISCOUNTS_REDEEMCODE_ADDED"}, {"PRODUCTS_DELETE"}),
        (DEFAULT_SCOPES, subscriptions.TOPICS.keys() - {"CUSTOMERS_MERGE"}, {"CUSTOMERS_MERGE"}),
    ],
)
def test_topics_are_heard_by_scope(scopes: str, heard: set[str], silent: set[str]) -> None:
    wanted = set(subscriptions.wanted(scopes))
    assert heard <= wanted
    assert not silent & wanted
