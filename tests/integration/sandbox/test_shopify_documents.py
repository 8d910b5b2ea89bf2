"""Every document of the product against the pruned schema, the whole schema, and the sandbox's two executors."""

import gzip
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    Visitor,
    build_schema,
    parse,
    print_ast,
    validate,
    visit,
)
from shopify_port import SHOPIFY, Api, shared

from shopchimp.sandbox.shopify import engine
from shopchimp.sandbox.shopify.schema import schema

SCRIPT = Path(__file__).parents[3] / "scripts/prune_shopify_schema.py"
GID = "gid://shopify/Customer/7000000000003"
NEW = {"firstName": "Nia", "email": "nia@example.com", "tags": ["b", "a"]}
CONSENT = {
    "marketingState": "SUBSCRIBED",
    "marketingOptInLevel": "SINGLE_OPT_IN",
    "consentUpdatedAt": "2026-11-01T00:00:00Z",
}
CAMPAIGN = {
    "remoteId": "c1",
    "title": "November",
    "remoteUrl": "https://mailchimp.example.com/c1",
    "status": "ACTIVE",
    "tactic": "NEWSLETTER",
    "marketingChannelType": "EMAIL",
    "utm": {"campaign": "november", "source": "mailchimp", "medium": "email"},
}

# What the sandbox can carry out so far, with variables to do it.
SUPPORTED: dict[str, dict[str, Any]] = {
    "ShopInfo": {},
    "PublicApiVersions": {},
    "CurrentInstallation": {},
    "CustomersPage": {"first": 7, "query": "updated_at:>='2026-01-01T00:00:00Z'"},
    "CustomersPageCompat": {"first": 3},
    "CustomerById": {"id": GID},
    "CustomerConsent": {"id": GID},
    "CustomerByIdentifier": {"identifier": {"id": GID}},
    "CustomersCount": {"query": "tag:vip"},
    "CustomerCreate": {"input": NEW},
    "CustomerUpdate": {"input": {"id": GID, "firstName": "Zoe"}},
    "CustomerUpsert": {"identifier": {"email": "nia@example.com"}, "input": NEW},
    "CustomerEmailMarketingConsentUpdate": {"input": {"customerId": GID, "emailMarketingConsent": CONSENT}},
    "CustomerSmsMarketingConsentUpdate": {"input": {"customerId": GID, "smsMarketingConsent": CONSENT}},
    "CustomerAddressCreate": {"customerId": GID, "address": {"address1": "1 Oak Street", "countryCode": "US"}},
    "TagsAdd": {"id": GID, "tags": ["vip, gold"]},
    "TagsRemove": {"id": GID, "tags": ["vip"]},
    "BulkOperationRunQuery": {"query": "{ customers { edges { node { id } } } }"},
    "BulkOperationById": {"id": "gid://shopify/BulkOperation/4000000000001"},
    "BulkOperationsRunning": {},
    "BulkOperationCancel": {"id": "gid://shopify/BulkOperation/4000000000001"},
    "WebhookSubscriptions": {"first": 5},
    "WebhookSubscriptionCreate": {"topic": "CUSTOMERS_UPDATE", "webhookSubscription": {"uri": "https://app.example.com/hook"}},
    "WebhookSubscriptionUpdate": {"id": "gid://shopify/WebhookSubscription/1", "webhookSubscription": {}},
    "WebhookSubscriptionDelete": {"id": "gid://shopify/WebhookSubscription/1"},
    "AppUninstall": {},
    "MetafieldDefinitionCreate": {"definition": {"name": "Last campaign", "namespace": "shopchimp", "key": "last_campaign", "ownerType": "CUSTOMER", "type": "single_line_text_field"}},
    "CustomerMetafieldDefinitions": {"namespace": "shopchimp"},
    "MetafieldsSet": {"metafields": [{"ownerId": GID, "namespace": "shopchimp", "key": "opened", "type": "number_integer", "value": "3"}]},
    "MetafieldsDelete": {"metafields": [{"ownerId": GID, "namespace": "shopchimp", "key": "opened"}]},
    "SegmentCreate": {"name": "Buyers", "query": "number_of_orders > 1"},
    "SegmentFilterCatalogue": {"first": 5},
    "SegmentMembers": {"query": "number_of_orders > 1", "first": 7},
    "WebPixel": {},
    "WebPixelCreate": {"webPixel": {"settings": {"accountID": "a", "endpoint": "https://app.example.com/pixel"}}},
    "MarketingActivityUpsertExternal": {"input": CAMPAIGN},
    "MarketingActivitiesPage": {"first": 5},
    "MarketingEngagementCreate": {"remoteId": "c1", "marketingEngagement": {"occurredOn": "2026-11-20", "utcOffset": "+00:00", "viewsCount": 7}},
    "MarketingActivityDeleteExternal": {"remoteId": "c1"},
}  # fmt: skip


@cache
def _documents() -> dict[str, str]:
    """Each operation as it is sent: with the fragments it reaches and nothing else."""
    whole = parse(shared(SHOPIFY / "documents.graphql").read_text())
    fragments = {d.name.value: d for d in whole.definitions if isinstance(d, FragmentDefinitionNode)}
    operations = [d for d in whole.definitions if isinstance(d, OperationDefinitionNode)]
    return {
        each.name.value: print_ast(DocumentNode(definitions=(each, *_reached(each, fragments)))) for each in operations
    }


def _reached(node: Any, fragments: dict[str, Any]) -> list[Any]:
    found: dict[str, Any] = {}

    class Collect(Visitor):
        def enter(self, each: Any, *_: Any) -> None:
            if isinstance(each, FragmentSpreadNode) and each.name.value not in found:
                found[each.name.value] = fragments[each.name.value]
                visit(fragments[each.name.value], Collect())

    visit(node, Collect())
    return list(found.values())


def test_every_document_is_valid_by_the_pruned_schema():
    assert len(_documents()) == 58
    assert {name: errors for name, text in _documents().items() if (errors := validate(schema(), parse(text)))} == {}


def test_every_supported_document_is_valid_by_the_whole_schema():
    with gzip.open(shared(SHOPIFY / "admin-2026-10.graphql.gz"), "rt") as file:
        whole = build_schema(file.read(), assume_valid=True)
    assert {name for name in SUPPORTED if validate(whole, parse(_documents()[name]))} == set()


def test_the_committed_schema_is_what_the_script_makes():
    spec = importlib.util.spec_from_file_location("prune", SCRIPT)
    prune = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prune)
    with gzip.open(shared(SHOPIFY / "admin-2026-10.graphql.gz"), "rt") as file:
        whole = parse(file.read(), no_location=True)
    made = prune.prune(whole, parse((SHOPIFY / "documents.graphql").read_text()))
    assert prune.OUTPUT.read_text().endswith("\n\n".join(print_ast(each) for each in made) + "\n")


@pytest.mark.parametrize("name", SUPPORTED)
def test_compiled_and_graphql_core_answer_alike(name):
    text, variables = _documents()[name], SUPPORTED[name]
    answers = []
    for use_graphql_core in (False, True):
        api = Api(60)
        if name.startswith("BulkOperation") and name != "BulkOperationRunQuery":
            api.call.shop.bulk.run_query(
                "{ customers { edges { node { id } } } }", lambda _: (lambda: iter(()), lambda: 0), ""
            )
        if name in ("MarketingEngagementCreate", "MarketingActivityDeleteExternal"):
            api.shop.marketing.upsert(CAMPAIGN)
        operation = engine.prepare(text).operation(None)
        if use_graphql_core:
            answers.append(engine.run_with_graphql_core(operation, api.call, variables))
        else:
            answers.append(engine.run(operation, api.call, variables, engine.coerce(operation, variables)))
    assert "errors" not in answers[0]
    assert answers[0] == answers[1]


def test_the_hot_documents_are_compiled():
    hot = ["CustomersPage", "CustomerConsent", "CustomerEmailMarketingConsentUpdate", "BulkOperationById", "TagsAdd"]
    prepared = [engine.prepare(_documents()[name]).operation(None).compiled for name in hot]
    assert all(prepared), dict(zip(hot, prepared, strict=True))


def test_costs_of_our_documents():
    """The estimates of shopify.md section 5, which reproduce recorded answers."""

    def price(name: str, **variables: Any) -> int:
        return engine.prepare(_documents()[name]).operation(None).bill.requested(variables)

    assert [price("CustomersPage", first=n) for n in (10, 50, 100, 250)] == [26, 44, 56, 68]
    assert [price("CustomersPage", first=250), price("CustomerById"), price("CustomerConsent")] == [68, 15, 4]
    assert [price("CustomerCreate"), price("CustomerUpdate"), price("TagsAdd")] == [15, 15, 10]
    assert price("CustomerEmailMarketingConsentUpdate") == 11
    assert [price("OrderById"), price("ProductById")] == [118, 115]
    assert [price("OrdersPage", first=n) for n in (10, 50, 100, 250)] == [262, 457, 587, 717]
    assert [price("ProductsPage", first=n) for n in (10, 50, 100, 250)] == [374, 653, 839, 1025]
    assert [price("AbandonedCheckoutsPage", first=n) for n in (10, 50, 100, 250)] == [146, 254, 326, 398]
    assert [price("CodeDiscountsPage", first=n) for n in (10, 50, 100, 250)] == [126, 219, 281, 343]
