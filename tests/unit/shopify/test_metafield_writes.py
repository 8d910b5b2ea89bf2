"""Metafields of customers: defined once, 25 a call, a bad customer left out alone; campaigns' figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from shopchimp.domain.customer_events.metafields import DEFINITIONS
from shopchimp.domain.errors import Unavailable
from shopchimp.shopify import marketing, metafields
from shopchimp.shopify.marketing import Newsletter

ONE = {"email_opened_count": "1", "email_last_opened_at": "2026-11-20T08:15:00Z"}


class Shop:
    """Answers as it is told to, and remembers what was asked."""

    def __init__(self, answer: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self.answer, self.asked = answer, list[tuple[str, Mapping[str, Any]]]()

    def execute(self, _document: str, name: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append((name, variables or {}))
        return dict(self.answer(name, variables or {}))


def test_what_lacks_is_defined_so_that_segments_can_ask_for_it() -> None:
    def answer(name: str, variables: Mapping[str, Any]) -> Any:
        if name == "CustomerMetafieldDefinitions":
            there = {"key": "email_received_count", "type": {"name": "number_decimal"}}
            return {"metafieldDefinitions": {"nodes": [{"key": "last_campaign"}, {"key": "of_somebody_else"}, there]}}
        key = variables["definition"]["key"]
        code = {
            "sms_clicked_count": "TAKEN",
            "email_opened_count": "RESOURCE_TYPE_LIMIT_EXCEEDED",
            "email_last_opened_at": "UNSTRUCTURED_ALREADY_EXISTS",
        }.get(key)
        if key == "email_last_clicked_at" and "capabilities" in variables["definition"]:
            code = "OWNER_TYPE_LIMIT_EXCEEDED_FOR_USE_AS_ADMIN_FILTERS"  # segments work without
        errors = [{"field": None, "message": "no", "code": code}] if code else []
        return {"metafieldDefinitionCreate": {"createdDefinition": None, "userErrors": errors}}

    shop: Any = Shop(answer)
    refused = {"email_received_count", "email_opened_count", "email_last_opened_at"}
    assert set(metafields.define(shop)) == refused
    made = [variables["definition"] for name, variables in shop.asked if name == "MetafieldDefinitionCreate"]
    assert {each["key"]: each["type"] for each in made} == {
        key: kind for key, kind in DEFINITIONS.items() if key not in ("last_campaign", "email_received_count")
    }
    assert all(each["ownerType"] == "CUSTOMER" and each["namespace"] == "shopchimp" for each in made)


def test_one_bad_customer_stops_nobody() -> None:
    def answer(_name: str, variables: Mapping[str, Any]) -> Any:
        owners = [row["ownerId"].rpartition("/")[2] for row in variables["metafields"]]
        errors = []
        if "2" in owners:
            index = owners.index("2") + 1
            path = ["metafields", str(index), "value"]
            errors = [{"field": path, "message": "Value is invalid", "code": "INVALID_VALUE", "elementIndex": None}]
        elif "3" in owners:
            gone = {"message": "Owner does not exist.", "code": "INVALID", "elementIndex": owners.index("3")}
            errors = [{"field": ["metafields"], **gone}]
        return {"metafieldsSet": {"metafields": [], "userErrors": errors}}

    shop: Any = Shop(answer)
    outcome = metafields.write(shop, {1: ONE, 2: ONE, 3: ONE, 4: ONE}, set())
    assert {customer: refusal.code if refusal else None for customer, refusal in outcome.items()} == {
        1: None,
        2: "sh_metafield_refused",
        3: "sh_customer_gone",
        4: None,
    }
    last = [row["ownerId"] for row in shop.asked[-1][1]["metafields"]]
    assert last == [f"gid://shopify/Customer/{customer}" for customer in (1, 1, 4, 4)]


def test_an_error_that_names_nobody_is_everybodys() -> None:
    errors = [{"field": ["metafields"], "message": "No", "code": "APP_NOT_AUTHORIZED", "elementIndex": None}]
    shop: Any = Shop(lambda *_: {"metafieldsSet": {"metafields": None, "userErrors": errors}})
    outcome = metafields.write(shop, {1: ONE, 2: ONE}, set())
    assert [refusal and refusal.code for refusal in outcome.values()] == ["sh_metafield_refused"] * 2
    assert len(shop.asked) == 1


def test_what_somebody_defined_otherwise_is_left_out_and_the_rest_written() -> None:
    """Planted: the customers' own fault, so that each was parked."""

    def answer(_name: str, variables: Mapping[str, Any]) -> Any:
        other = [n for n, row in enumerate(variables["metafields"]) if row["key"] == "email_opened_count"]
        code = {"message": "Type must be consistent with the definition's type", "code": "INVALID_TYPE"}
        errors = [{"field": ["metafields", str(n), "type"], "elementIndex": n, **code} for n in other]
        return {"metafieldsSet": {"metafields": [], "userErrors": errors}}

    shop: Any = Shop(answer)
    unfit = set[str]()
    outcome = metafields.write(shop, {1: ONE, 2: ONE, 3: {"email_opened_count": "1"}}, unfit)
    assert (outcome, unfit) == ({1: None, 2: None, 3: None}, {"email_opened_count"})
    last = [(row["ownerId"].rpartition("/")[2], row["key"]) for row in shop.asked[-1][1]["metafields"]]
    assert last == [("1", "email_last_opened_at"), ("2", "email_last_opened_at")]


def test_an_error_of_shopifys_own_passes() -> None:
    errors = [{"field": None, "message": "Internal error", "code": "INTERNAL_ERROR", "elementIndex": None}]
    shop: Any = Shop(lambda *_: {"metafieldsSet": {"metafields": None, "userErrors": errors}})
    with pytest.raises(Unavailable):
        metafields.write(shop, {1: ONE}, set())


def test_who_lets_their_opens_be_followed() -> None:
    def answer(_name: str, variables: Mapping[str, Any]) -> Any:
        levels = {"1": "OPTED_IN", "2": "OPTED_OUT", "3": "UNKNOWN"}
        return {
            "nodes": [
                {"id": gid, "defaultEmailAddress": {"emailAddress": f"{n}@example.com", "openTrackingLevel": levels[n]}}
                if (n := gid.rpartition("/")[2]) in levels
                else ({"id": gid, "defaultEmailAddress": None} if n == "5" else None)
                for gid in variables["ids"]
            ]
        }

    shop: Any = Shop(answer)
    found = metafields.tracking(shop, [1, 2, 3, 4, 5])
    assert {customer: each.follows_opens for customer, each in found.items()} == {1: True, 2: False, 3: True, 5: True}
    assert (found[2].email, found[5].email) == ("2@example.com", None)
    short: Any = Shop(lambda *_: {"nodes": []})
    with pytest.raises(Unavailable):
        metafields.tracking(short, [1])


def test_a_campaign_on_the_marketing_page() -> None:
    shop: Any = Shop(
        lambda *_: {"marketingActivityUpsertExternal": {"marketingActivity": {"id": "1"}, "userErrors": []}}
    )
    sent = datetime(2026, 11, 18, 15, tzinfo=UTC)
    assert marketing.register(shop, Newsletter("c1", "News", "https://mailchi.mp/x", sent, "news")) is None
    given = shop.asked[0][1]["input"]
    assert (given["remoteId"], given["tactic"], given["marketingChannelType"]) == ("c1", "NEWSLETTER", "EMAIL")
    assert given["utm"] == {"campaign": "news", "source": "mailchimp", "medium": "email"}


def test_a_days_own_figures() -> None:
    shop: Any = Shop(lambda *_: {"marketingEngagementCreate": {"marketingEngagement": {}, "userErrors": []}})
    assert marketing.engage(shop, "c1", date(2026, 11, 18), "-05:00", {"sent": 9, "opens": 3, "odd": 1}) is None
    assert shop.asked[0][1] == {
        "remoteId": "c1",
        "marketingEngagement": {
            "occurredOn": "2026-11-18",
            "utcOffset": "-05:00",
            "sendsCount": 9,
            "viewsCount": 3,
        },
    }
    error = {"field": ["remoteId"], "message": "gone", "code": marketing.GONE}
    refusing: Any = Shop(lambda *_: {"marketingEngagementCreate": {"marketingEngagement": None, "userErrors": [error]}})
    refusal = marketing.engage(refusing, "c1", date(2026, 11, 18), "+00:00", {})
    assert refusal is not None
    assert refusal.code == marketing.GONE
