"""shopify.app.toml, the subscriptions made through the API, and the routes that hear them fit each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, parse, validate

from shopchimp.shopify import API_VERSION, subscriptions
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
