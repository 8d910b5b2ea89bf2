"""The drift audit: everything that nothing explains is found, named and repaired; people in sync cost nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sweep_ground import do, marked

from shopchimp.db.audits import Audit
from shopchimp.services import audit, comparing
from shopchimp.services.sync_runs import StartRefused
from stage import Stage, stage

# The 100,000 are for an idle machine (set the variable); the work per person is the same.
PEOPLE = os.environ.get("SHOPCHIMP_AUDIT_PEOPLE", "20000")


@pytest.fixture
def played(database_url: str) -> Iterator[Stage]:
    with stage(database_url, "--people", "400") as synced:
        synced.first_sync()
        synced.live()
        yield synced


def begin(played: Stage) -> UUID:
    return audit.start(played.database, played.shop_id)


def work(played: Stage, *states: str, rounds: int = 400) -> Audit:
    """Steps of the chore until the audit is in one of these states."""
    for _ in range(rounds):
        found = latest(played)
        if found.state in states:
            return found
        wait = do(played, audit.step, "audit")
        threading.Event().wait(min(wait, 0.3))  # Shopify's bulk operation takes its time
    raise AssertionError(latest(played))


def latest(played: Stage) -> Audit:
    with played.database.transaction() as tx:
        found = audit.latest(tx, played.shop_id)
    assert found is not None
    return found


def rows(played: Stage, found: Audit, **which: Any) -> dict[str, str]:
    with played.database.transaction() as tx:
        listed = audit.rows(tx, played.shop_id, found.id, limit=10_000, **which)
    return {row.key: row.cause for row in listed}


def settle(played: Stage) -> None:
    """An audit and what it repairs: a first sync brings no field values from Mailchimp, live sync does."""
    begin(played)
    work(played, "repairing", "done")
    played.live()
    work(played, "done")


def closes(found: Audit) -> bool:
    counts = found.counts
    sums = sum(counts.get("explained", {}).values()) + sum(counts.get("unexplained", {}).values())
    return bool(counts["pairs"] == counts.get("equal", 0) + counts.get("in_flight", 0) + sums)


def test_people_in_sync_are_found_equal_or_explained_and_nothing_is_written(played: Stage) -> None:
    before = len(played.sandbox.writes())
    begin(played)
    found = work(played, "done")
    assert found.counts["left"] == found.counts["found"] == 0
    assert closes(found)
    assert set(found.counts["explained"]) <= {
        "archived",
        "no_customer",
        "duplicate_email",
        "awaiting_confirmation",
        "no_email",
        "bad_email",
        "invalid",
        "redacted",
        "needs_confirmation",
    }
    assert marked(played) == {}
    assert len(played.sandbox.writes()) == before
    assert played.rows("select 1 from run_contacts union all select 1 from run_customers") == []


def changed_behind_our_back(people: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Edits of every kind on both sides, a thousand on each, by class; no webhook is registered, so all are lost."""
    left = iter(people)

    def edits(platform: str, count: int, **change: Any) -> list[dict[str, Any]]:
        return [{"platform": platform, "email": next(left), **change} for _ in range(count)]

    new_customers = [f"new.customer.{n}@example.com" for n in range(40)]
    return {
        "consent_to_contact": edits("shopify", 700, set={"marketingState": "UNSUBSCRIBED"}),
        "fields_to_contact": edits("shopify", 260, set={"firstName": "Changed"}),
        "contact_missing": [
            {"platform": "shopify", "email": email, "set": {"marketingState": "UNSUBSCRIBED"}}
            for email in new_customers
        ],
        "consent_to_customer": edits("mailchimp", 800, set={"status": "unsubscribed"}),
        "archived": edits("mailchimp", 100, archive=True),
        "deleted": edits("mailchimp", 100, forget=True),
    }


def test_a_thousand_changes_on_either_side_are_found_and_repaired_without_webhooks(database_url: str) -> None:
    """S22, S74: drift is injected on both sides, every webhook is lost; the audit finds, names and repairs it all."""
    with stage(database_url, "--people", "5500", "--no-write-log") as played:
        played.first_sync()
        settle(played)
        query = "select key from people where customer_state = 'SUBSCRIBED' and contact_status = 'subscribed'"
        people = sorted(row["key"] for row in played.rows(query))
        injected = changed_behind_our_back(people)
        done = played.sandbox.control("edits", edits=[edit for edits in injected.values() for edit in edits])
        assert (done["done"], done["failed"]) == (2000, [])

        begin(played)
        found = work(played, "repairing")
        unexplained, explained = rows(played, found, kind="unexplained"), rows(played, found, kind="explained")
        for cause, edits in injected.items():
            named = explained if cause in {"archived", "deleted"} else unexplained
            assert {edit["email"] for edit in edits} <= {key for key, said in named.items() if said == cause}, cause
        more = unexplained.keys() - {edit["email"] for edits in injected.values() for edit in edits}
        assert {key: unexplained[key] for key in more} == {}
        assert found.counts["found"] == len(unexplained) == 1800
        assert found.counts["news"] == 200  # nothing to write, but to be remembered
        assert closes(found)
        lanes = [row["lane"] for row in marked(played).values()]
        assert (lanes.count("contacts"), lanes.count("backfill")) == (499, 1501)

        played.live()
        found = work(played, "done")
        assert found.counts["left"] == 0, rows(played, found, left=True, kind="unexplained")
        assert found.counts["repaired"] == 1800
        assert unlike(played, injected) == []

        begin(played)
        again = work(played, "done")
        assert again.id != found.id
        assert (again.counts["found"], again.counts.get("news", 0), marked(played)) == (0, 0, {})


def unlike(played: Stage, injected: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Whose other side does not say what was changed here."""
    shopify, mailchimp = played.sandbox.state("shopify"), played.sandbox.state("mailchimp")
    of = {cause: [edit["email"] for edit in edits] for cause, edits in injected.items()}
    wrong = [key for key in of["consent_to_contact"] if mailchimp[key]["status"] != "unsubscribed"]
    wrong += [key for key in of["contact_missing"] if mailchimp[key]["status"] != "unsubscribed"]
    wrong += [key for key in of["fields_to_contact"] if mailchimp[key]["merge_fields"]["FNAME"] != "Changed"]
    wrong += [key for key in of["consent_to_customer"] if shopify[key]["marketingState"] != "UNSUBSCRIBED"]
    return wrong


@pytest.mark.timeout(1200)
def test_a_great_many_people_in_sync_cost_no_write(database_url: str) -> None:
    """Read whole and compared, found equal or explained; nobody is marked, neither side is written to."""
    with stage(database_url, "--people", PEOPLE, "--no-write-log") as played:
        played.first_sync()
        settle(played)
        before = played.sandbox.state("mailchimp"), played.sandbox.state("shopify")
        begin(played)
        found = work(played, "done")
        assert found.counts["customers_read"] == int(PEOPLE)
        assert found.counts["pairs"] >= int(PEOPLE)
        assert closes(found)
        assert (found.counts["found"], found.counts.get("news", 0), found.counts.get("in_flight", 0)) == (0, 0, 0)
        assert marked(played) == {}
        assert (played.sandbox.state("mailchimp"), played.sandbox.state("shopify")) == before


def test_an_audit_that_is_killed_anywhere_goes_on_and_counts_nobody_twice(
    played: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "BLOCK", 50)
    begin(played)
    keep, calls = Audit.keep, iter(range(10_000))

    def dies_often(self: Audit, *args: Any) -> None:
        keep(self, *args)
        if next(calls) % 3 == 1:
            raise Killed  # in the transaction: nothing of it is stored

    with monkeypatch.context() as patched:
        patched.setattr(Audit, "keep", dies_often)
        for _ in range(40):
            with suppress(Killed):
                do(played, audit.step, "audit")
    found = work(played, "done")
    assert next(calls) > 10
    assert closes(found)
    assert found.counts["customers_read"] == 400
    assert found.counts["pairs"] == len(played.rows("select 1 from people"))
    assert found.counts["left"] == found.counts["found"] == 0


class Killed(BaseException):
    pass


def test_a_live_change_that_waits_is_in_flight_and_no_drift(played: Stage) -> None:
    query = "select key from people where customer_state = 'SUBSCRIBED' and contact_status = 'subscribed' limit 1"
    (email,) = (row["key"] for row in played.rows(query))
    played.sandbox.edit("shopify", email, set={"marketingState": "UNSUBSCRIBED"})
    played.mark(email)
    begin(played)
    found = work(played, "done")
    assert (found.counts["in_flight"], found.counts["found"]) == (1, 0)
    assert closes(found)


def test_one_audit_at_a_time_and_none_before_live_sync(played: Stage) -> None:
    assert begin(played) == begin(played)
    with played.database.transaction() as tx:
        tx.execute(text("update connections set live_since = null"))
        tx.execute(text("update audits set finished_at = now()"))
    with pytest.raises(StartRefused):
        begin(played)
