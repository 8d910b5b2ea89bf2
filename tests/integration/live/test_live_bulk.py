"""Many at once: six hundred waiting people end as they would one by one, with few calls, and nobody's status is sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_ground import QUIET, Ground, ago, stamp
from sqlalchemy import text

from stage import Row, stage

MANY = 600
Sides = dict[str, tuple[Any, ...]]


def crowd(shop: Ground) -> list[str]:
    """People of every kind, whom live sync knows."""
    emails = [f"crowd{n}@live.example.com" for n in range(MANY)]
    edits = []
    for n, email in enumerate(emails):
        state = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SUBSCRIBED")[n % 3]
        consent = {"marketingState": state, "marketingOptInLevel": "SINGLE_OPT_IN", "consent_at": stamp(ago(days=2))}
        values = {"firstName": f"Name{n}", "tags": ["crowd"], **(consent if state != "NOT_SUBSCRIBED" else {})}
        edits.append({"platform": "shopify", "email": email, "set": values})
    all_of(shop, edits)
    return emails


def later(shop: Ground, emails: list[str]) -> None:
    """What others do with them afterwards: a third opts out or in, a third gets another name, some both."""
    edits: list[Row] = []
    for n, email in enumerate(emails):
        kind = n % 12
        at = {"consent_at": stamp(ago(days=1)), "marketingOptInLevel": "SINGLE_OPT_IN"}
        if kind in (0, 3):
            edits.append({"platform": "shopify", "email": email, "set": {"marketingState": "UNSUBSCRIBED", **at}})
        elif kind in (1, 4, 5):
            edits.append({"platform": "shopify", "email": email, "set": {"marketingState": "SUBSCRIBED", **at}})
        elif kind in (6, 9):
            edits.append({"platform": "mailchimp", "email": email, "set": {"status": "unsubscribed"}, "by": "person"})
        elif kind == 8:
            edits.append({"platform": "mailchimp", "email": email, "set": {"status": "subscribed"}})
        elif kind in (2, 7):
            edits.append({"platform": "mailchimp", "email": email, "set": {"merge_fields": {"LNAME": f"Last{n}"}}})
        elif kind == 10:
            edits.append({"platform": "shopify", "email": email, "set": {"firstName": f"New{n}", "tags": ["other"]}})
        else:
            edits.append({"platform": "mailchimp", "email": email, "archive": True})
    all_of(shop, edits)


def all_of(shop: Ground, edits: list[Row]) -> None:
    answer = shop.stage.sandbox.control("edits", edits=edits)
    assert not answer.get("failed"), answer


def sides(shop: Ground, emails: list[str]) -> Sides:
    customers, contacts = shop.stage.sandbox.state("shopify"), shop.stage.sandbox.state("mailchimp")
    found: Sides = {}
    for email in emails:
        customer, contact = customers[email], contacts.get(email, {})
        about = (customer["marketingState"], customer["firstName"], customer["lastName"])
        found[email] = (*about, contact.get("status"), contact.get("merge_fields"), contact.get("tags"))
    return found


def played(new_database: Callable[[], str], file: Path | None, *, at_a_time: int) -> tuple[Sides, Sides, Row, int]:
    arguments = ("--people", "0", *(("--record", str(file)) if file else ()))
    with stage(new_database(), *arguments) as made:
        made.first_sync()
        shop = Ground(made)
        shop.set(breaker=QUIET)
        emails = crowd(shop)

        def look() -> Sides:
            for start in range(0, MANY, at_a_time):
                made.mark(*emails[start : start + at_a_time])
                made.live()
            assert made.rows("select key, state, cause from changes where kind = 'person'") == []
            return sides(shop, emails)

        first = look()
        with made.database.transaction() as tx:  # all was long ago: the listing of changes is worth its calls
            tx.execute(text("update people set seen_at = now() where seen_at > now()"))
        later(shop, emails)
        made.sandbox.control("calls/reset")
        second = look()
        calls = made.sandbox.calls()
        writes = len(made.sandbox.writes())
        look()
        assert len(made.sandbox.writes()) == writes, "a second look writes nothing"
        return first, second, calls, writes


@pytest.fixture(scope="module")
def recorded(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sides, Sides, Row, list[Row]]:
    file = tmp_path_factory.mktemp("bulk") / "calls.jsonl"
    first, second, calls, _ = played(new_database, file, at_a_time=MANY)
    with file.open() as lines:
        return first, second, calls, [json.loads(line) for line in lines]


def test_everybody_ends_right(recorded: tuple[Sides, Sides, Row, list[Row]]) -> None:
    """S22, S63: the crowd agrees on both sides, by kind of person."""
    _, second, _, _ = recorded
    ends = Counter((row[0], row[3]) for row in second.values())
    assert ends.keys() <= {
        ("SUBSCRIBED", "subscribed"),
        ("UNSUBSCRIBED", "unsubscribed"),
        ("NOT_SUBSCRIBED", "transactional"),
        ("SUBSCRIBED", "archived"),
        ("UNSUBSCRIBED", "archived"),
        ("NOT_SUBSCRIBED", "archived"),
    }
    assert ends["UNSUBSCRIBED", "unsubscribed"] > 100


def test_the_same_as_one_by_one(recorded: tuple[Sides, Sides, Row, list[Row]], new_database: Callable[[], str]) -> None:
    """500 a claim and 10 a claim end the same."""
    first, second, _, _ = recorded
    alone_first, alone_second, _, _ = played(new_database, None, at_a_time=10)
    assert alone_first == first
    assert alone_second == second


def test_few_calls(recorded: tuple[Sides, Sides, Row, list[Row]]) -> None:
    """Bulk reads and writes: a fraction of the people, not several calls each."""
    _, _, calls, _ = recorded
    mailchimp, shopify = calls["mailchimp"], calls["shopify"]
    assert sum(mailchimp.values()) < MANY, mailchimp
    assert mailchimp.get("POST /lists/{list_id}", 0) >= 1
    assert mailchimp.get("GET /lists/{list_id}/members/{subscriber_hash}", 0) < MANY / 4, mailchimp
    assert shopify.get("CustomersById", 0) <= 12, shopify
    assert calls["max_connections"] <= 10
    assert calls["connections"]["mailchimp"]["refused"] == 0


def test_nobodys_status_is_sent_with_a_profile(recorded: tuple[Sides, Sides, Row, list[Row]]) -> None:
    """Invariant 3: a status is in a request only where that person's consent is meant to change."""
    first, second, _, lines = recorded
    changed = {email for email in first if first[email][3] != second[email][3]}

    bodies: list[Row] = []
    for line in lines:
        if line["platform"] != "mailchimp" or not isinstance(line["body"], dict) or line["status"] >= 400:
            continue
        if line["method"] == "POST" and line["route"] == "POST /lists/{list_id}":
            bodies += [{"existing": line["body"]["update_existing"], **each} for each in line["body"]["members"]]
        elif line["method"] in ("PUT", "PATCH") and "/members/" in line["path"]:
            bodies.append({"existing": True, **line["body"]})
    updates = [body for body in bodies if body["existing"]]
    assert updates
    with_status = [body["email_address"] for body in updates if "status" in body]
    assert set(with_status) <= changed
    assert len(with_status) == len(set(with_status))
    assert [body for body in updates if "status" not in body], "some were profiles alone"
