"""Everything the product sends about customers' events, in both directions, against both platforms' own words.

Visitors do all eight things in the store, an answer is lost; contacts get, open and click a campaign and a text message;
the merchant switches customer event syncing off and on.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from graphql import GraphQLSchema
from test_recorded_traffic import graphql_problems, rest_problems, template

from shopchimp.db import intake_events, marking, pixels, shops
from shopchimp.domain.customer_events.beacon import Beacon, read_beacon
from shopchimp.domain.customer_events.keeping import taken_apart
from shopchimp.domain.customer_events.metafields import DEFINITIONS, NAMESPACE
from shopchimp.domain.customer_events.names import StoreEvent
from shopchimp.jobs import chores, lanes
from shopchimp.services import settings
from shopchimp.services.customer_events import campaigns, engagement, pixel, sending
from stage import Row, Stage, stage

CHORES = {campaigns.CHORE: campaigns.poll, pixel.CHORE: pixel.chore}
WORKS = {
    marking.EVENTS: sending.events,
    marking.VIEWS: sending.views,
    marking.ACTIVITY: engagement.work,
}
PRODUCT = {"id": "8123456789", "title": "Blue mug", "variantId": "44100000000301", "price": 18.5, "currency": "USD"}
CHECKOUT = {
    "token": "c1f2a3b4c5d6e7f8",
    "total": 42,
    "currency": "USD",
    "items": [{"id": "8123456789", "title": "Blue mug", "quantity": 2}],
}
DATA: dict[str, Row | None] = {
    "page_viewed": None,
    "product_viewed": {"product": PRODUCT},
    "collection_viewed": {"collection": {"id": "5500000001", "title": "Krüge & Töpfe"}},
    "search_submitted": {"query": "blue mug"},
    "product_added_to_cart": {"product": PRODUCT, "quantity": 2, "total": 37},
    "checkout_started": {"checkout": CHECKOUT},
    "payment_info_submitted": {"checkout": CHECKOUT},
    "checkout_completed": {"checkout": {**CHECKOUT, "orderId": "6100000000001"}},
}
MEMBER = "/lists/{list_id}/members/{subscriber_hash}"


def ago(**delta: float) -> str:
    return (datetime.now(UTC) - timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def visit(played: Stage, customer_id: int) -> None:
    """One visitor does everything that there is, half an hour ago."""
    with played.database.transaction() as tx:
        account = pixels.ensure(tx, played.shop_id)
    rows = []
    for number, (name, data) in enumerate(DATA.items()):
        said = {
            "version": 1,
            "accountID": account,
            "id": f"event-{number:08d}",
            "name": name,
            "timestamp": ago(minutes=30 - number),
            "clientId": "visitor-00000001",
            "customerId": str(customer_id),
            "consent": {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True},
            "page": {"url": "https://pinewood.example.com/products/blue-mug", "title": "Blue mug"},
            **({"data": data} if data else {}),
        }
        beacon = read_beacon(json.dumps(said).encode())
        assert isinstance(beacon, Beacon), beacon
        rows.append(intake_events.incoming(account, taken_apart(beacon), ()))
    with played.database.raw() as connection:
        connection.execute(intake_events._STORE, {"events": f"[{','.join(row.json for row in rows)}]"})


def worked(played: Stage) -> None:
    for _ in range(20):
        chores.drain(played.runtime, CHORES, stop=played.stop)
        lanes.drain(played.runtime, stop=played.stop, works=WORKS)
        waiting = "select key from changes where lane in ('events', 'views', 'activity') and state = 'waiting'"
        if not played.rows(waiting):
            break
        played.rows("update changes set due_at = now() where state = 'waiting' and token is null returning 1")
        # a call whose end nobody told is asked after once nobody can hear it any more
        played.rows(
            "update customer_events set sent_at = sent_at - interval '1 minute' where state = 'sending' returning 1"
        )
        played.rows("update lanes set open_until = null, failures = 0 returning 1")
    assert played.rows("select key, state, cause, detail from changes where kind = 'event'") == []


def again(played: Stage) -> None:
    """The time of the chores comes round."""
    played.rows("update chores set due_at = now() where name in ('pixel', 'poll_campaigns') returning 1")
    worked(played)
    assert played.rows("select name, trouble from chores where trouble is not null") == []


def switch(played: Stage, *, on: bool) -> None:
    with played.database.transaction() as tx:
        shops.lock(tx, played.shop_id)
        settings.apply(tx, played.shop_id, {"customer_events": on}, by="a test")


def a_week(played: Stage) -> None:
    ours = played.rows(
        "select key, customer_id from people where customer_id is not null and contact_status = 'subscribed' order by id"
    )
    emails = [row["key"] for row in ours[:6]]
    again(played)
    lost = {"kind": "reset_after", "platform": "mailchimp", "route": f"POST {MEMBER}/events", "rate": 1, "times": 1}
    played.sandbox.faults(lost)
    visit(played, ours[0]["customer_id"])
    worked(played)
    assert played.sandbox.fired() == 1
    control = played.sandbox.control
    for number, email in enumerate(emails[:2]):
        sms = {"status": "subscribed", "phone": f"+1404555010{number}"}
        control("edit", platform="mailchimp", email=email, sms=sms)
    control("edit", platform="mailchimp", sms_campaign={"name": "Early access", "at": ago(hours=2)})
    control("edit", platform="mailchimp", campaign={"title": "November news", "at": ago(hours=3)})
    for do, by in (("open", "person"), ("click", "person"), ("open", "proxy"), ("click", "bot")):
        activity = {"do": do, "by": by, "emails": emails[:4], "at": ago(hours=1)}
        control("edit", platform="mailchimp", activity=activity)
    again(played)
    switch(played, on=False)
    again(played)
    switch(played, on=True)
    control("edit", platform="mailchimp", activity={"do": "open", "email": emails[4]})
    again(played)


@pytest.fixture(scope="module")
def traffic(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    file = tmp_path_factory.mktemp("events") / "calls.jsonl"
    with stage(new_database(), "--people", "40", "--record", str(file)) as played:
        played.first_sync()
        with file.open() as lines:
            before = sum(1 for _ in lines)
        a_week(played)
        told = Counter(row["name"] for row in played.sandbox.events())
        assert told == Counter(StoreEvent), "each once, whatever was lost"
    with file.open() as lines:
        return [json.loads(line) for line in lines][before:]


@pytest.fixture(scope="module")
def mailchimp(shared: Callable[[str], Path]) -> Row:
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        return dict(json.load(file))


def documents(traffic: list[Row]) -> list[Row]:
    return [line["body"] for line in traffic if line["path"].endswith("/graphql.json")]


def to_mailchimp(traffic: list[Row]) -> list[Row]:
    return [line for line in traffic if line["platform"] == "mailchimp" and line["path"].startswith("/3.0")]


def test_every_document_about_events_is_valid(traffic: list[Row], whole_schema: GraphQLSchema) -> None:
    """S40, S53 to S59."""
    sent = documents(traffic)
    assert {body["operationName"] for body in sent} >= {
        "WebPixel",
        "WebPixelCreate",
        "WebPixelDelete",
        "CustomerMetafieldDefinitions",
        "MetafieldDefinitionCreate",
        "MetafieldsSet",
        "CustomersTracking",
        "MarketingActivityUpsertExternal",
        "MarketingEngagementCreate",
    }
    assert [problem for body in sent for problem in graphql_problems(whole_schema, body)] == []


def test_every_call_about_events_is_as_described(traffic: list[Row], mailchimp: Row) -> None:
    """S42 to S51, S53 to S57."""
    sent = to_mailchimp(traffic)
    routes = Counter(f"{line['method']} {template(mailchimp, line['path'])}" for line in sent)
    assert routes.keys() >= {
        f"POST {MEMBER}/events",
        f"GET {MEMBER}/events",
        f"GET {MEMBER}/activity-feed",
        "GET /campaigns",
        "GET /reports",
        "GET /reports/{campaign_id}/sent-to",
        "GET /reports/{campaign_id}/email-activity",
        "GET /sms-campaigns",
    }
    assert [f"{each['method']} {each['path']}: {p}" for each in sent for p in rest_problems(mailchimp, each)] == []
    assert {line["status"] for line in sent} <= {200, 204}


def test_events_are_told_under_the_names_of_the_requirements(traffic: list[Row]) -> None:
    """S44 to S51: exact names, all properties texts, the visitor's own time."""
    told = [line["body"] for line in to_mailchimp(traffic) if line["method"] == "POST" and "/events" in line["path"]]
    assert {body["name"] for body in told} == {
        "page_viewed", "product_viewed", "search_submitted", "product_added_to_cart", "payment_info_submitted",
        "checkout_started", "checkout_completed", "collection_viewed",
    }  # fmt: skip
    for body in told:
        assert {type(value) for value in body["properties"].values()} == {str}
        assert body["occurred_at"] < ago(minutes=20)
        assert body["is_syncing"] is False


def test_both_directions_are_synced_and_switched_off_together(traffic: list[Row]) -> None:
    """S39, S40, S53, S78: without anybody doing anything for it, until it is switched off; and again after that."""
    there: list[tuple[bool, bool]] = [(False, False)]  # while the pixel was (not) there: told of the store, of messages
    for line in traffic:
        name = (line["body"] or {}).get("operationName") if line["path"].endswith("/graphql.json") else None
        told, written = there[-1]
        told |= line["method"] == "POST" and line["path"].endswith("/events")
        there[-1] = told, written or name == "MetafieldsSet"
        if name in ("WebPixelCreate", "WebPixelDelete"):
            there.append((False, False))
    assert there == [(False, False), (True, True), (False, False), (False, True)]


def test_machines_are_left_out_and_pages_are_large(traffic: list[Row]) -> None:
    """S54, S55: `filter_bots` is always asked for, and never ten rows at a time."""
    reports = [line["query"] for line in to_mailchimp(traffic) if "/reports/" in line["path"]]
    assert {query["count"] for query in reports} == {"1000"}
    activity = [line["query"] for line in to_mailchimp(traffic) if line["path"].endswith("/email-activity")]
    assert {query["filter_bots"] for query in activity} == {"true"}


def test_metafields_are_written_within_the_limit(traffic: list[Row]) -> None:
    """S59: at most 25 a call, in the app's own words, nothing but texts."""
    written = [
        body["variables"]["metafields"] for body in documents(traffic) if body["operationName"] == "MetafieldsSet"
    ]
    assert written
    assert all(0 < len(rows) <= 25 for rows in written)
    rows = [row for each in written for row in each]
    assert {row["namespace"] for row in rows} == {NAMESPACE}
    assert {row["type"] for row in rows} <= set(DEFINITIONS.values())
    assert {type(row["value"]) for row in rows} == {str}


def test_the_pixel_is_removed_and_made_again(traffic: list[Row]) -> None:
    """S40, S41."""
    names: list[str] = [body["operationName"] for body in documents(traffic)]
    assert [name for name in names if name in ("WebPixelCreate", "WebPixelDelete")] == [
        "WebPixelCreate",
        "WebPixelDelete",
        "WebPixelCreate",
    ]


def test_the_first_answer_was_lost_and_asked_after(traffic: list[Row]) -> None:
    """Not told twice: who doesn't know asks, by the id in the properties."""
    asked = [
        line["query"] for line in to_mailchimp(traffic) if line["method"] == "GET" and line["path"].endswith("/events")
    ]
    assert asked
    assert {query["fields"] for query in asked} == {"events.properties,total_items"}


def test_the_sandbox_answers_as_described(traffic: list[Row], mailchimp: Row) -> None:
    """What the product read was of the shape that Mailchimp describes: names of fields, not only of ours."""
    for line in to_mailchimp(traffic):
        if line["method"] == "GET" and isinstance(line["response"], dict):
            schema = mailchimp["paths"][template(mailchimp, line["path"])]["get"]["responses"]["200"]["schema"]
            assert line["response"].keys() <= schema["properties"].keys(), line["path"]
