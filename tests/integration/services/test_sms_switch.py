"""S28 to S34: SMS sync is switched on with a count of people first; backfills mark just those it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from small_shop import House

from shopchimp.db.chores import Chore
from shopchimp.domain.sms import (
    ContactSms,
    CustomerSms,
    Gate,
    HoldSms,
    KnownSms,
    PushSms,
    SmsInSync,
    SmsState,
    SmsStatus,
)
from shopchimp.domain.sms import decide_sms as decide
from shopchimp.mailchimp.sms import Approval, Programme
from shopchimp.services import backfills, field_map, settings, sms
from shopchimp.services.settings import InvalidSettings
from shopchimp.services.sms import SmsRefused

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = date(2026, 11, 1)
IN, PHONE = "SUBSCRIBED", "+14045550142"
LATE, EARLY = datetime(2026, 11, 5, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
KNOWN = {
    "taken_in": KnownSms(IN, PHONE, LATE),
    "opted_out": KnownSms("UNSUBSCRIBED", PHONE, EARLY),
    "synced": KnownSms(IN, PHONE, EARLY, contact="subscribed", contact_phone=PHONE),
    "before_start": KnownSms(IN, PHONE, EARLY),
    "unknown_time": KnownSms(IN, PHONE),
    "no_phone": KnownSms(IN, None, LATE),
    "stopped": KnownSms(IN, PHONE, LATE, contact="unsubscribed", stopped_at=LATE),
}


@pytest.fixture
def shop(house: House) -> int:
    shop_id = house.shop()
    house.connect(shop_id)
    return shop_id


def live(house: House) -> None:
    house.do("update connections set live_since = now()")


def approve(monkeypatch: pytest.MonkeyPatch, approval: Approval = Approval.APPROVED) -> None:
    monkeypatch.setattr("shopchimp.mailchimp.sms.programme", lambda *_: Programme(approval, "said"))


def person(house: House, shop: int, name: str, known: KnownSms | None = None, **more: Any) -> None:
    values = {"contact_status": "subscribed", "tags": None, **more}
    house.do(
        """
        insert into people (shop_id, key, email, name, customer_id, customer_state, contact_status, rule, result, sms, tags)
        values (:shop, :key, :key, '', 1, 'SUBSCRIBED', :contact_status, '', 'synced', cast(:sms as jsonb),
            cast(:tags as jsonb))
        """,
        shop=shop, key=f"{name}@example.com", sms=orjson.dumps(known.to_json()).decode() if known else None, **values,
    )  # fmt: skip


def test_s28_s29_it_is_unavailable_and_says_why(house: House, shop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(monkeypatch, Approval.PENDING)
    assert sms.status(house.gateways, shop).code == "sms_first_sync"
    live(house)
    found = sms.status(house.gateways, shop)
    assert (found.available, found.code, found.detail) == (False, "sms_programme_pending", "said")
    assert found.why is not None
    assert found.hint == sms.HINT  # S34
    with pytest.raises(SmsRefused, match="approval"):
        sms.activate(house.gateways, shop, start_date=DAY, by="42")
    with house.database.transaction() as tx:
        assert not settings.get(tx, shop).sms.active


def test_s31_s33_the_date_counts_people_before_it_is_saved(house: House, shop: int) -> None:
    for name, known in KNOWN.items():
        person(house, shop, name, known)
    person(house, shop, "never asked")
    with house.database.transaction() as tx:
        counts = sms.count(tx, shop, DAY)
        assert {name: getattr(counts, name) for name in KNOWN} == dict.fromkeys(KNOWN, 1)
        assert sms.count(tx, shop, date(2026, 9, 1)).taken_in == 2, "an earlier date takes in more (S33)"
        (listed,) = sms.people(tx, shop, DAY, group="before_start")
    assert (listed.email, listed.phone, listed.at) == ("before_start@example.com", PHONE, EARLY)


@pytest.mark.parametrize("name", KNOWN)
def test_the_count_says_what_the_machine_will_do(name: str) -> None:
    known = KNOWN[name]
    who = CustomerSms(SmsState(known.state or ""), known.phone, known.at)
    there = ContactSms(SmsStatus(known.contact or "nonsubscribed"), known.contact_phone, known.stopped_at)
    decision = decide(Gate(first_sync_done=True, approved=True, start_date=START), who, there, known)
    expected = PushSms if name == "taken_in" else SmsInSync if name in ("synced", "opted_out") else HoldSms
    assert isinstance(decision, expected)


def test_s32_activating_starts_the_backfill_of_just_those(
    house: House, shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(monkeypatch)
    live(house)
    for name, known in KNOWN.items():
        person(house, shop, name, known)
    sms.activate(house.gateways, shop, start_date=DAY, by="42")
    assert run(house, shop, "sms_backfill") == {"taken_in@example.com", "opted_out@example.com"}
    sms.deactivate(house.gateways, shop, by="42")
    house.do("delete from changes")
    assert run(house, shop, "sms_backfill") == set()
    with pytest.raises(InvalidSettings, match="own page"):
        settings.change(house.database, shop, {"sms": {"active": True, "start_date": "2026-11-01"}}, by="42")


def test_s102_contacts_that_were_there_get_their_tags_by_a_backfill(house: House, shop: int) -> None:
    live(house)
    person(house, shop, "due")
    person(house, shop, "done", tags="[]")
    person(house, shop, "archived", contact_status="archived")
    with house.database.transaction() as tx:
        backfills.start_tags(tx, shop)
    assert run(house, shop, "tags_backfill") == {"due@example.com"}
    house.do("delete from changes")
    settings.change(house.database, shop, {"tags": "chosen", "chosen_tags": ["VIP"]}, by="42")
    assert run(house, shop, "tags_backfill") == {"due@example.com", "done@example.com"}


def run(house: House, shop: int, name: str) -> set[str]:
    """Do the chore to its end; who is marked, all in the slow lane."""
    doing = {"tags_backfill": backfills.tags, "sms_backfill": backfills.sms}[name]
    token = uuid4()
    house.do("update chores set token = :token where name = :name", token=token, name=name)
    cursor = house.one("select cursor from chores where name = :name", name=name)["cursor"]
    chore = Chore(shop, name, token, 0, cursor, None)
    while doing(house.gateways, shop, chore) == 0:
        pass
    rows = house.rows("select key, lane from changes where shop_id = :shop", shop=shop)
    assert {row["lane"] for row in rows} <= {"backfill"}
    return {row["key"] for row in rows}


def test_s62_create_new_customers_notes_when_it_was_activated(house: House, shop: int) -> None:
    changed = settings.change(house.database, shop, {"create_customers": True}, by="42", now=LATE)
    assert changed.create_customers_since == LATE
    again = settings.change(house.database, shop, {"create_customers": True, "tag": "x"}, by="42", now=START)
    assert again.create_customers_since == LATE, "it was on already"
    off = settings.change(house.database, shop, {"create_customers": False}, by="42")
    assert off.create_customers_since is None
    with pytest.raises(InvalidSettings):
        settings.change(house.database, shop, {"create_customers_since": EARLY.isoformat()}, by="42")


def test_settings_of_before_live_sync_stay_readable() -> None:
    old = {"conflict_policy": None, "sync_non_subscribed": True, "tag": "Shop", "field_map": {"FNAME": "first_name"}}
    found = settings.parse(old)
    assert found.field_map.two_way == {"FNAME"}
    assert settings.parse(orjson.loads(orjson.dumps(found.to_json()))) == found


def test_s75_a_row_has_a_sample_and_its_problem() -> None:
    from shopchimp.domain.fields import FieldMap
    from shopchimp.mailchimp.audiences import MergeField
    from shopchimp.shopify.customers import Consent, Customer

    chosen = FieldMap.from_json({"FNAME": "first_name", "PHONE": "phone", "ZIP": "zip", "NEW": "company"})
    there = {
        tag: MergeField(tag, tag.title(), kind, required=False)
        for tag, kind in {"FNAME": "text", "PHONE": "number", "ZIP": "zip", "BIRTH": "birthday"}.items()
    }
    fields = {"first_name": "Ana", "default_address": {"zip": "8001", "company": "Reyes"}}
    people = [Customer(1, Consent("SUBSCRIBED", None, None, None), None, each) for each in ({}, fields)]
    rows = {row.tag: row for row in field_map.of(there, chosen.with_two_way(["FNAME"]), people)}
    assert list(rows) == ["FNAME", "PHONE", "ZIP", "BIRTH", "NEW"]
    assert (rows["FNAME"].sample, rows["FNAME"].problem, rows["FNAME"].two_way) == ("Ana", None, True)
    assert "number" in (rows["PHONE"].problem or "")
    assert "8001" in (rows["ZIP"].problem or "")
    assert (rows["BIRTH"].source, rows["BIRTH"].sample) == (None, "")
    assert (rows["NEW"].missing, rows["NEW"].sample) == (True, "Reyes")
