"""What the preview says is what both platforms receive: nothing more, nothing less, nothing else.

Where somebody changed in between, the difference has a name, their newer choice stays, and the sums close.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shopchimp.domain.consent import Policy
from shopchimp.shopify.customers import gid
from stage import Row, Stage, closes, stage


def recorded(file: Path) -> Iterator[Row]:
    with file.open() as lines:
        yield from (json.loads(line) for line in lines)


def sent_contacts(file: Path) -> list[tuple[bool, Row]]:
    """Each member body of each batch, with whether existing contacts might be changed."""
    batches = [line["body"] for line in recorded(file) if line["route"] == "POST /lists/{list_id}"]
    return [(body["update_existing"], member) for body in batches for member in body["members"]]


def sent_consents(file: Path) -> list[Row]:
    found = []
    for line in recorded(file):
        if line["route"] == "CustomerEmailMarketingConsentUpdates":
            found += line["body"]["variables"].values()
    return found


def is_write(line: Row) -> bool:
    if line["platform"] == "mailchimp":
        return line["method"] != "GET" and "oauth" not in line["path"]
    return line["body"] is not None and line["body"].get("query", "").startswith("mutation")


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decided(row: Row, started_at: datetime) -> datetime:
    """D1's time: the merchant's decision, but later than what Shopify has stored."""
    at = row["to_customer_at"]
    return at or max(started_at, (row["customer_at"] or started_at) + timedelta(seconds=1)).replace(microsecond=0)


@pytest.mark.parametrize("policy", Policy)
def test_both_sides_receive_the_plan_and_nothing_else(database_url: str, tmp_path: Path, policy: Policy) -> None:
    file = tmp_path / "calls.jsonl"
    with stage(database_url, "--people", "1500", "--record", str(file)) as played:
        run_id = played.preview()
        writes_before_start = {line["route"] for line in recorded(file) if is_write(line)}
        assert writes_before_start == {"BulkOperationRunQuery"}  # Shopify's way of reading much
        assert played.sandbox.writes() == []

        shopify_before, mailchimp_before = (played.sandbox.state(side) for side in ("shopify", "mailchimp"))
        assert played.run(run_id).counts["conflicts"] > 3
        played.start(run_id, policy)
        run = played.until(run_id, "done")
        plan = played.plan(run_id)
        refused = refused_by_mailchimp(played, run_id)
        assert_sums(run.counts, plan, refused=len(refused))

        # Mailchimp: every planned body once, word for word, and under the right `update_existing`
        planned = [(row["contact_action"] != "create", row["contact_body"]) for row in plan if row["contact_chunk"]]
        assert counted(sent_contacts(file)) == counted(planned)
        # Shopify: every planned consent once, with its state, level and time
        assert run.started_at is not None
        consents = [
            {
                "customerId": gid(row["customer_id"]),
                "emailMarketingConsent": {
                    "marketingState": row["to_customer"],
                    "marketingOptInLevel": row["to_customer_level"],
                    "consentUpdatedAt": iso(decided(row, run.started_at)),
                },
            }
            for row in plan
            if row["customer_chunk"]
        ]
        assert counted(sent_consents(file)) == counted(consents)
        routes = {line["route"] for line in recorded(file) if is_write(line)} - writes_before_start
        store = {
            route for route in routes if "/ecommerce/" in route or route == "POST /batches"
        }  # has tests of its own
        assert routes - store == {
            "POST /lists/{list_id}",
            "POST /lists/{list_id}/merge-fields",
            "CustomerEmailMarketingConsentUpdates",
        }

        assert_effects(played, [row for row in plan if row["key"] not in refused], shopify_before, mailchimp_before)
        conflicting = [row for row in plan if row["conflict"]]
        state = played.sandbox.state("mailchimp")
        for row in conflicting:
            wins = policy is Policy.MAILCHIMP_WINS
            assert state[row["key"]]["status"] == ("subscribed" if wins else "unsubscribed")
            assert row["to_customer"] == ("SUBSCRIBED" if wins else None)


def refused_by_mailchimp(played: Stage, run_id: UUID) -> set[str]:
    """Who opted out or bounced by themselves: only Mailchimp knows, and says so when asked to subscribe them (F6)."""
    reasons = played.reasons(run_id)
    opted_out = {row["key"] for row in played.plan(run_id) if row["contact_status"] in ("unsubscribed", "cleaned")}
    assert {row["cause"] for sides in reasons.values() for row in sides.values()} <= {"mc_compliance_state"}
    assert reasons.keys() <= opted_out
    return set(reasons)


def counted(things: list[Any]) -> Counter[str]:
    return Counter(json.dumps(thing, sort_keys=True) for thing in things)


def assert_sums(counts: Row, plan: list[Row], *, refused: int) -> None:
    """Preview and result count the same people, each once."""
    people = counts["result"]["people"]
    by_kind = Counter(row["kind"] for row in plan if row["customer_id"])
    assert counts["by_kind"] == dict(by_kind)
    assert sum(by_kind.values()) == counts["people"] == counts["customers_read"] == people["read"]
    assert counts["contact_writes"] == sum(row["contact_chunk"] is not None for row in plan)
    assert counts["consent_writes"] == sum(row["customer_chunk"] is not None for row in plan)
    assert people["skipped"] == {**counts["skip"], **({"mc_compliance_state": refused} if refused else {})}
    assert people["failed"] == {}
    assert people["synced"] == people["read"] - sum(people["skipped"].values())


def assert_effects(played: Stage, plan: list[Row], shopify: dict[str, Row], mailchimp: dict[str, Row]) -> None:
    """The stores themselves: whoever has a write is as planned, nobody else moved."""
    contacts, customers = played.sandbox.state("mailchimp"), played.sandbox.state("shopify")
    changed = {key for key in contacts.keys() | mailchimp.keys() if contacts.get(key) != mailchimp.get(key)}
    assert changed <= {row["key"] for row in plan if row["contact_chunk"]}
    for row in plan:
        if row["contact_chunk"]:
            contact, body = contacts[row["key"]], row["contact_body"]
            assert contact["status"] == body.get("status", row["contact_status"])
            assert body.get("merge_fields", {}).items() <= contact["merge_fields"].items()
            assert set(body.get("tags", [])) <= set(contact["tags"])
            if "timestamp_opt" in body:
                assert contact["timestamp_opt"] == body["timestamp_opt"]
    ids = {each["id"]: each for each in customers.values()}
    before = {each["id"]: each for each in shopify.values()}
    planned = {gid(row["customer_id"]): row for row in plan if row["customer_chunk"]}
    assert {each for each in ids if ids[each] != before[each]} == set(planned)
    assert {each: ids[each]["marketingState"] for each in planned} == {k: v["to_customer"] for k, v in planned.items()}
    log = Counter(
        (line["platform"], line["kind"], line["key"]) for line in played.sandbox.writes() if line["kind"] != "store"
    )
    assert max(log.values()) == 1  # nobody was written twice


def test_whoever_changed_after_the_preview_keeps_their_choice(database_url: str) -> None:
    with stage(database_url, "--people", "2500") as played:
        run_id = played.preview()
        plan = played.plan(run_id)
        taken: set[str] = set()

        def somebody(**wanted: Any) -> Row:
            row = next(
                row
                for row in plan
                if row["key"] not in taken
                and row["customer_id"]
                and not row["conflict"]
                and all(row[name] == value for name, value in wanted.items())
            )
            taken.add(row["key"])
            return row

        edit = played.sandbox.edit
        now = {"by": "user"}
        expected: dict[str, tuple[str, str]] = {}  # key -> the side of the write, the reason

        def expect(row: Row, side: str, reason: str) -> str:
            expected[row["key"]] = (side, reason)
            return str(row["email"])

        # in Mailchimp, where the write was to go to Mailchimp
        brought_back = somebody(kind="consent_to_contact", to_contact="subscribed", contact_status="transactional")
        edit(
            "mailchimp", expect(brought_back, "contact", "changed_in_mailchimp"), set={"status": "unsubscribed"}, **now
        )
        put_away = somebody(kind="consent_to_contact", to_contact="subscribed", contact_status="transactional")
        edit("mailchimp", expect(put_away, "contact", "changed_in_mailchimp"), archive=True)
        joined = somebody(kind="create", to_contact="transactional")
        edit("mailchimp", expect(joined, "contact", "changed_in_mailchimp"), set={"status": "subscribed"}, **now)
        came_and_went = somebody(kind="create", to_contact="subscribed")
        edit("mailchimp", came_and_went["email"], set={"status": "subscribed"}, **now)
        edit("mailchimp", expect(came_and_went, "contact", "changed_in_mailchimp"), archive=True)
        # in Mailchimp, where its word was to go to Shopify
        left = somebody(kind="consent_to_customer_subscribe")
        edit("mailchimp", expect(left, "customer", "changed_in_mailchimp"), set={"status": "unsubscribed"}, **now)
        returned = somebody(kind="consent_to_customer_unsubscribe", contact_status="unsubscribed")
        edit("mailchimp", expect(returned, "customer", "changed_in_mailchimp"), set={"status": "subscribed"}, **now)
        # in Shopify, where its word was to go to Mailchimp
        opted_out = somebody(kind="create", to_contact="subscribed")
        edit("shopify", expect(opted_out, "contact", "changed_in_shopify"), set={"marketingState": "UNSUBSCRIBED"})
        opted_in = somebody(kind="create", to_contact="unsubscribed")
        edit("shopify", expect(opted_in, "contact", "changed_in_shopify"), set={"marketingState": "SUBSCRIBED"})
        again = somebody(kind="consent_to_contact", to_contact="subscribed", customer_state="SUBSCRIBED")
        edit("shopify", again["email"], set={"marketingState": "UNSUBSCRIBED"})
        edit("shopify", expect(again, "contact", "changed_in_shopify"), set={"marketingState": "SUBSCRIBED"})
        # in Shopify, where the write was to go to Shopify
        chose = somebody(kind="consent_to_customer_subscribe")
        edit("shopify", expect(chose, "customer", "changed_in_shopify"), set={"marketingState": "UNSUBSCRIBED"})
        gone = somebody(kind="consent_to_customer_subscribe")
        edit("shopify", expect(gone, "customer", "sh_customer_gone"), delete=True)

        before = {side: played.sandbox.state(side) for side in ("mailchimp", "shopify")}
        played.start(run_id)
        run = played.until(run_id, "done")

        refused = {
            key
            for key, sides in played.reasons(run_id).items()
            if key not in expected and {row["cause"] for row in sides.values()} == {"mc_compliance_state"}
        }
        found = {
            key: next((side, row["cause"]) for side, row in sides.items())
            for key, sides in played.reasons(run_id).items()
            if key not in refused
        }
        assert found == expected
        after = {side: played.sandbox.state(side) for side in ("mailchimp", "shopify")}
        for key, (side, _) in expected.items():
            platform = "mailchimp" if side == "contact" else "shopify"
            assert after[platform].get(key) == before[platform].get(key), key
        assert closes(run)
        people = run.counts["result"]["people"]
        reasons = Counter(reason for _, reason in expected.values())
        reasons["mc_compliance_state"] = len(refused)
        assert people["failed"] == {}
        assert people["skipped"] == {**run.counts["skip"], **reasons}
        lines = played.rows("select cause, count(*) n from activities where result = 'skipped' group by 1")
        assert {line["cause"]: line["n"] for line in lines} == dict(reasons)
        missed = [row for sides in played.reasons(run_id).values() for row in sides.values()]
        assert [row for row in missed if not row["detail"] and row["cause"] != "sh_customer_gone"] == []


def test_a_contact_who_opted_in_again_is_not_unsubscribed_by_an_older_opt_out(database_url: str) -> None:
    """Subscribed before and subscribed now, but by a newer opt-in: the value alone would not tell."""
    with stage(database_url, "--people", "1500") as played:
        run_id = played.preview()
        row = next(row for row in played.plan(run_id) if row["conflict"])
        sync_policy = Policy.LATEST_CHOICE_WINS
        played.sandbox.edit("mailchimp", row["email"], set={"status": "unsubscribed"}, by="user")
        played.sandbox.edit("mailchimp", row["email"], set={"status": "subscribed"}, by="user")
        played.start(run_id, sync_policy)
        played.until(run_id, "done")
        assert played.sandbox.state("mailchimp")[row["key"]]["status"] == "subscribed"
        assert played.reasons(run_id)[row["key"]]["contact"]["cause"] == "changed_in_mailchimp"
