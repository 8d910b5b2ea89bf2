"""What is remembered of each person: only what was done, each once, and sums that close."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from small_shop import NOW, ONE, TWO, House, contact, customer

from shopchimp.db import results
from shopchimp.db.results import Missed
from shopchimp.services import sync_runs

AT = NOW - timedelta(days=400)
# customer 1 has a write on each side: a new name for Mailchimp, an opt-out for Shopify
BOTH = (
    [customer(1, "a@example.com", "NOT_SUBSCRIBED", first_name="Ana")],
    [contact("a@example.com", "unsubscribed", AT)],
)


@pytest.fixture
def shop(house: House) -> int:
    shop_id = house.shop()
    house.connect(shop_id)
    return shop_id


def begin(house: House, shop: int, people: tuple[list[Any], list[Any]] = BOTH) -> UUID:
    run_id = house.run_of(shop, *people)
    sync_runs.start(house.database, shop, run_id, policy=None, confirmed=True)
    return run_id


def finish(house: House, shop: int, run_id: UUID, side: str, *missed: Missed) -> None:
    with house.database.transaction() as tx:
        run = house.run(shop, run_id)
        results.finish_chunk(
            tx, shop, run_id, side=side, chunk=1, decided_at=run.started_at, seen_at=run.created_at, missed=missed
        )


def person(house: House) -> dict[str, Any]:
    return house.one("select * from people")


@pytest.mark.parametrize("order", [("contact", "customer"), ("customer", "contact")])
def test_a_write_is_said_to_be_made_when_it_was(house: House, shop: int, order: tuple[str, str]) -> None:
    run_id = begin(house, shop)
    finish(house, shop, run_id, order[0])
    assert person(house)["customer_state"] == ("UNSUBSCRIBED" if order[0] == "customer" else "NOT_SUBSCRIBED")
    finish(house, shop, run_id, order[1])
    found = person(house)
    assert (found["customer_state"], found["contact_status"], found["result"]) == (
        "UNSUBSCRIBED",
        "unsubscribed",
        "synced",
    )
    assert found["customer_at"] == AT
    lines = house.rows("select kind, direction, result from activities where person_id is not null order by id")
    assert {(line["kind"], line["direction"], line["result"]) for line in lines} == {
        ("contact", "to_mailchimp", "synced"),
        ("consent", "to_shopify", "synced"),
    }


FAILED, SKIPPED = ("failed", "mc_rejected"), ("skipped", "changed_in_shopify")


@pytest.mark.parametrize("order", [("contact", "customer"), ("customer", "contact")])
@pytest.mark.parametrize(("on_contact", "on_customer"), [(FAILED, SKIPPED), (SKIPPED, FAILED)])
def test_a_person_missed_on_both_sides_counts_once_and_as_failed(
    house: House, shop: int, order: tuple[str, str], on_contact: Any, on_customer: Any
) -> None:
    run_id = begin(house, shop)
    missed = {"contact": on_contact, "customer": on_customer}
    for side in order:
        finish(house, shop, run_id, side, Missed(1, *missed[side], "said\0 the platform"))
    with house.database.transaction() as tx:
        people = results.totals(tx, run_id)["people"]
    assert people == {"read": 1, "synced": 0, "skipped": {}, "failed": {"mc_rejected": 1}}
    found = person(house)
    assert (found["result"], found["reason"]) == FAILED
    assert (found["customer_state"], found["contact_status"]) == ("NOT_SUBSCRIBED", "unsubscribed")
    written = house.rows("select sum(written) as n from run_chunks")
    assert written[0]["n"] == 0


def test_sums_close_over_every_kind_of_person(house: House, shop: int) -> None:
    people = (
        [customer(1, "a@example.com"), customer(2, "b@example.com"), customer(3, None), customer(4, "B@example.com"),
         customer(5, "same@example.com")],
        [contact("same@example.com", "subscribed", AT), contact("alone@example.com"), contact("odd@example.com", "odd")],
    )  # fmt: skip
    run_id = begin(house, shop, people)
    second = next(row["n"] for row in house.plan(run_id) if row["customer_id"] == 2)
    finish(house, shop, run_id, "contact", Missed(second, "skipped", "mc_compliance_state", ""))
    with house.database.transaction() as tx:
        results.store_untouched(tx, shop, run_id, first=1, last=100, seen_at=NOW)
        found = results.totals(tx, run_id)
    assert found["people"] == {
        "read": 5,
        "synced": 2,
        "skipped": {"mc_compliance_state": 1, "no_email": 1, "duplicate_email": 1},
        "failed": {},
    }
    others = found["contacts_without_customer"]
    assert others == {"read": 2, "synced": 0, "skipped": {"no_customer": 1, "unknown_status": 1}, "failed": {}}
    stored = house.rows("select result, count(*) as n from people group by result")
    assert {row["result"]: row["n"] for row in stored} == {"synced": 2, "skipped": 5}


def test_a_second_run_updates_the_person_and_adds_its_own_lines(house: House, shop: int) -> None:
    for _ in range(2):
        run_id = begin(house, shop)
        finish(house, shop, run_id, "contact")
        finish(house, shop, run_id, "customer")
    assert person(house)["result"] == "synced"
    assert len(house.rows("select 1 from activities where person_id is not null")) == 4


def test_two_shops_with_the_same_customers_keep_apart(house: House, shop: int) -> None:
    other = house.shop(TWO)
    house.connect(other)
    for each in (shop, other):
        run_id = begin(house, each)
        finish(house, each, run_id, "contact")
        finish(house, each, run_id, "customer")
    rows = house.rows("select shop_id, count(*) as n from people group by shop_id")
    assert {row["shop_id"]: row["n"] for row in rows} == {shop: 1, other: 1}
    crossed = "select 1 from activities a join people p on p.id = a.person_id where p.shop_id <> a.shop_id"
    assert house.rows(crossed) == []
    assert house.one("select domain from shops where id = :id", id=shop)["domain"] == ONE


TEXTED = {
    "phoneNumber": "+14045550142",
    "smsMarketingConsent": {"state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN", "updatedAt": "2026-11-01T12:00:00Z"},
}


def test_what_both_agree_on_is_remembered_for_live_sync(house: House, shop: int) -> None:
    """S75, S102, S32: fields, tags and the phone's consent; only of contacts that have what was planned for them."""
    people = (
        [customer(1, "new@example.com", first_name="Nea", tags=["VIP", "Zürich"], texts=TEXTED),
         customer(2, "refused@example.com", first_name="Ria", tags=["VIP"]),
         customer(3, "known@example.com", first_name="Kim", tags=["VIP"]),
         customer(4, "plain@example.com", first_name="Pia"),
         customer(5, "away@example.com", first_name="Ada", texts=TEXTED)],
        [contact("known@example.com", "subscribed", AT, FNAME="Kim"),
         contact("plain@example.com", "subscribed", AT, FNAME="Pia", LNAME="Old"),
         contact("away@example.com", "archived", AT, FNAME="Ada")],
    )  # fmt: skip
    run_id = begin(house, shop, people)
    rows = {row["email"]: row for row in house.plan(run_id)}
    assert rows["new@example.com"]["contact_body"]["tags"] == ["Shopify", "VIP", "Zürich"]
    finish(house, shop, run_id, "contact", Missed(rows["refused@example.com"]["n"], "failed", "mc_rejected", ""))
    with house.database.transaction() as tx:
        results.store_untouched(tx, shop, run_id, first=1, last=100, seen_at=NOW)
    found = {row["email"]: row for row in house.rows("select * from people")}
    remembered = {email: (row["fields"], row["tags"]) for email, row in found.items()}
    assert remembered == {
        "new@example.com": ({"FNAME": "Nea"}, ["VIP", "Zürich"]),
        "refused@example.com": (None, None),
        "known@example.com": ({"FNAME": "Kim"}, None),  # its tag is still to be put on
        "plain@example.com": ({"FNAME": "Pia"}, []),
        "away@example.com": (None, None),
    }
    for email in ("new@example.com", "away@example.com"):
        assert found[email]["sms"] == {
            "state": "SUBSCRIBED",
            "phone": "+14045550142",
            "at": "2026-11-01T12:00:00.000000+00:00",
            "level": "SINGLE_OPT_IN",
        }
    assert found["plain@example.com"]["sms"] is None


def test_another_first_sync_forgets_no_stop_and_no_tag_of_ours(house: House, shop: int) -> None:
    """S30, S102: what live sync remembers of a person outlives a second run."""
    people = ([customer(1, "a@example.com", texts=TEXTED)], [contact("a@example.com", "subscribed", AT)])
    run_id = begin(house, shop, people)
    with house.database.transaction() as tx:
        results.store_untouched(tx, shop, run_id, first=1, last=100, seen_at=NOW)
    stopped = '{"state": "UNSUBSCRIBED", "stopped_at": "2026-11-02T00:00:00.000000+00:00"}'
    house.do("update people set tags = '[\"VIP\"]', sms = cast(:sms as jsonb)", sms=stopped)
    house.do("update sync_runs set state = 'done'")
    run_id = begin(house, shop, people)
    with house.database.transaction() as tx:
        results.store_untouched(tx, shop, run_id, first=1, last=100, seen_at=NOW)
    found = person(house)
    assert found["tags"] == ["VIP"]
    assert (found["sms"]["state"], found["sms"]["stopped_at"]) == ("SUBSCRIBED", "2026-11-02T00:00:00.000000+00:00")
