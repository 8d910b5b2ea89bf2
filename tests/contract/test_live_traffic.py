"""Everything the product sends in live sync, recorded, against both platforms' own descriptions of their APIs."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema
from test_recorded_traffic import graphql_problems, rest_problems, template

from shopchimp.db import shops
from shopchimp.services import settings
from stage import Row, Stage, stage


def customer(played: Stage, email: str, /, **values: Any) -> None:
    played.sandbox.edit("shopify", email, set=values)


def contact(played: Stage, email: str, **change: Any) -> None:
    played.sandbox.edit("mailchimp", email, **change)


def look(played: Stage, *emails: str, **about: Any) -> None:
    played.mark(*emails, **about)
    played.live()


def few(played: Stage) -> None:
    """One of each kind of write."""
    level = {"marketingOptInLevel": "SINGLE_OPT_IN"}
    for name in ("new", "out", "in", "name", "move", "text", "stop"):
        customer(played, f"{name}@live.example.com", firstName="Ana", tags=["one"])
    customer(played, "out@live.example.com", marketingState="SUBSCRIBED", **level)
    look(played, *(f"{name}@live.example.com" for name in ("new", "out", "in", "name", "move")))
    customer(played, "new@live.example.com", marketingState="SUBSCRIBED", tags=["two"], **level)
    contact(played, "out@live.example.com", set={"status": "unsubscribed"})
    contact(played, "in@live.example.com", set={"status": "subscribed"})
    contact(played, "name@live.example.com", set={"merge_fields": {"FNAME": "Anita"}})
    customer(played, "name@live.example.com", lastName="Reyes")
    customer(played, "move@live.example.com", email="moved@live.example.com")
    for n, name in enumerate(("text", "stop")):
        phone = f"+1202555019{n}"
        customer(played, f"{name}@live.example.com", phone=phone, smsMarketingState="SUBSCRIBED")
    contact(played, "stranger@live.example.com", set={"status": "subscribed"})
    names = ("new", "out", "in", "name", "move", "text", "stop", "stranger")
    look(played, *(f"{name}@live.example.com" for name in names))
    contact(played, "stop@live.example.com", sms={"status": "unsubscribed"})
    customer(played, "text@live.example.com", smsMarketingState="UNSUBSCRIBED")
    contact(played, "out@live.example.com", forget=True)
    look(played, *(f"{name}@live.example.com" for name in ("text", "stop", "out")))


def many(played: Stage) -> None:
    """Enough for the bulk calls."""
    emails = [f"many{n}@live.example.com" for n in range(320)]
    for n, email in enumerate(emails):
        customer(played, email, firstName=f"Name{n}", tags=["crowd"])
    look(played, *emails)
    consent = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
    for n, email in enumerate(emails):
        values = consent if n % 3 == 0 else {"lastName": f"Last{n}"}
        customer(played, email, **values)
        if n % 7 == 1:
            contact(played, email, set={"status": "unsubscribed"})
    look(played, *emails)


@pytest.fixture(scope="module")
def traffic(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    file = tmp_path_factory.mktemp("live") / "calls.jsonl"
    with stage(new_database(), "--people", "10", "--record", str(file)) as played:
        played.first_sync()
        with file.open() as lines:
            before = sum(1 for _ in lines)
        with played.database.transaction() as tx:
            shops.lock(tx, played.shop_id)
            since = (datetime.now(UTC) - timedelta(days=30)).date().isoformat()
            sms = {"active": True, "start_date": since, "two_way": True}
            changed = {"create_customers": True, "sms": sms, "breaker": {"on": False}}
            settings.apply(tx, played.shop_id, changed, by="a test", now=datetime.now(UTC) - timedelta(hours=1))
        few(played)
        many(played)
        left = played.rows("select key, state, cause from changes where kind = 'person'")
        assert left == []
    with file.open() as lines:
        return [json.loads(line) for line in lines][before:]


@pytest.fixture(scope="module")
def mailchimp(shared: Callable[[str], Path]) -> Row:
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        return json.load(file)


def test_every_live_document_is_valid(traffic: list[Row], whole_schema: GraphQLSchema) -> None:
    sent = [line["body"] for line in traffic if line["path"].endswith("/graphql.json")]
    assert {body["operationName"] for body in sent} >= {
        "CustomersById",
        "CustomersByEmail",
        "CustomerEmailMarketingConsentUpdates",
        "CustomerUpdate",
        "CustomerCreate",
        "CustomerSmsMarketingConsentUpdate",
    }
    assert [problem for body in sent for problem in graphql_problems(whole_schema, body)] == []


def test_every_live_request_is_as_described(traffic: list[Row], mailchimp: Row) -> None:
    sent = [line for line in traffic if line["platform"] == "mailchimp" and line["path"].startswith("/3.0")]
    routes = Counter(f"{line['method']} {template(mailchimp, line['path'])}" for line in sent)
    assert routes.keys() >= {
        "GET /lists/{list_id}",
        "GET /lists/{list_id}/members",
        "GET /lists/{list_id}/members/{subscriber_hash}",
        "POST /lists/{list_id}",
        "POST /lists/{list_id}/members",
        "PUT /lists/{list_id}/members/{subscriber_hash}",
        "PATCH /lists/{list_id}/members/{subscriber_hash}",
        "POST /lists/{list_id}/members/{subscriber_hash}/tags",
        "PATCH /audiences/{audience_id}/contacts/{contact_id}",
    }
    problems = [
        f"{line['method']} {line['path']}: {problem}" for line in sent for problem in rest_problems(mailchimp, line)
    ]
    assert problems == []


def test_no_more_connections_than_allowed(traffic: list[Row]) -> None:
    assert not [line for line in traffic if line["platform"] == "mailchimp" and line["status"] == 429]


def test_a_consent_carries_a_time_that_has_been(traffic: list[Row]) -> None:
    """F2, F3, L6: never a time of the future, and never without one where Shopify takes it."""
    for line in traffic:
        if not line["path"].endswith("/graphql.json"):
            continue
        if line["body"]["operationName"] != "CustomerEmailMarketingConsentUpdates":
            continue
        for each in line["body"]["variables"].values():
            consent = each["emailMarketingConsent"]
            assert consent["marketingState"] in ("SUBSCRIBED", "UNSUBSCRIBED", "PENDING")
            assert consent["marketingOptInLevel"]
            assert datetime.fromisoformat(consent["consentUpdatedAt"]).timestamp() <= line["at"] + 0.01


def test_nobodys_status_goes_with_a_profile(traffic: list[Row]) -> None:
    """Invariant 3: PATCH never has one; PUT always means one."""
    for line in traffic:
        if line["platform"] != "mailchimp" or "/members/" not in line["path"] or not isinstance(line["body"], dict):
            continue
        if line["method"] == "PATCH":
            assert not {"status", "status_if_new"} & line["body"].keys()
        if line["method"] == "PUT":
            assert line["body"]["status"] == line["body"]["status_if_new"]
