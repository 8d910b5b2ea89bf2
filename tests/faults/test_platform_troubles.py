"""What the platforms do to us, one trouble at a time: a first sync ends complete, the same as an undisturbed one.

Waiting is skipped, not shortened: a run that has to wait is due at once (`Stage.hurry`), so only the outcome counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest

from shopchimp.domain.consent import Policy
from shopchimp.jobs import runs as engine
from shopchimp.mailchimp import client as mailchimp_client
from shopchimp.mailchimp import members
from shopchimp.services import connection, installation, planning, sync_runs
from shopchimp.shopify import client as shopify_client
from stage import Row, Sandbox, Stage, closes, stage, wait_for

PEOPLE = ("--people", "500")
BATCH, CONSENT = "POST /lists/{list_id}", "CustomerEmailMarketingConsentUpdates"
D1 = (
    Policy.LATEST_CHOICE_WINS
)  # under which every consent has the person's own time: two runs end the same to the second


@dataclass
class Outcome:
    customers: dict[str, Row]
    contacts: dict[str, Row]
    writes: set[tuple[str, str, str]]
    counts: Row


def outcome(played: Stage, run_id: UUID) -> Outcome:
    given: Sandbox = played.sandbox
    return Outcome(
        given.state("shopify"),
        given.state("mailchimp"),
        {(line["kind"], line["key"], line["digest"]) for line in given.writes()},
        played.run(run_id).counts["result"],
    )


@pytest.fixture(scope="module")
def undisturbed(new_database: Callable[[], str]) -> Iterator[Outcome]:
    with stage(new_database(), *PEOPLE) as played:
        run_id = played.preview()
        played.start(run_id, D1)
        played.until(run_id, "done")
        yield outcome(played, run_id)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.0)
    for module in (mailchimp_client, shopify_client):
        monkeypatch.setattr(module, "_retry_after", lambda _: 0.01)


def trouble(kind: str, platform: str = "mailchimp", route: str = "*", **more: float) -> Row:
    return {"kind": kind, "platform": platform, "route": route, "rate": 0.5, "times": 6, "seconds": 0.1, **more}


TROUBLES = {
    "slow down": [trouble("429", times=25), trouble("429", "shopify")],
    "the edge": [trouble("403bare", times=12), trouble("502html")],
    "their fault": [trouble("500"), trouble("503"), trouble("500", "shopify"), trouble("503", "shopify")],
    "pages for JSON": [trouble("html200"), trouble("html200", "shopify")],
    "no connection": [trouble("reset"), trouble("reset", "shopify")],
    "the answer is lost": [trouble("reset_after"), trouble("reset_after", "shopify")],
    "the answer of a write is lost": [trouble("reset_after", route=BATCH, rate=1), trouble("reset_after", "shopify", CONSENT, rate=1)],
    "half an answer": [trouble("truncated"), trouble("truncated", "shopify")],
    "half an answer to a write": [trouble("truncated", route=BATCH, rate=1), trouble("truncated", "shopify", CONSENT, rate=1)],
}  # fmt: skip


@pytest.mark.parametrize("what", TROUBLES)
def test_a_trouble_that_passes_changes_nothing(
    database_url: str, undisturbed: Outcome, no_waiting: None, what: str
) -> None:
    with stage(database_url, *PEOPLE) as played:
        rules = TROUBLES[what]
        played.sandbox.faults(*rules, seed=len(what))
        run_id = sync_runs.make_preview(played.database, played.shop_id)
        played.until(run_id, "ready")
        assert played.sandbox.writes() == []
        played.start(run_id, D1)
        run = played.until(run_id, "done")
        assert played.sandbox.fired() >= 2 * len(rules)
        assert closes(run)
        assert run.trouble is None
        assert outcome(played, run_id) == undisturbed


def test_a_call_that_was_carried_out_after_we_gave_up(
    database_url: str, undisturbed: Outcome, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "BULK", httpx.Timeout(0.7))
    monkeypatch.setattr(shopify_client, "TIMEOUT", httpx.Timeout(0.7))
    with stage(database_url, *PEOPLE) as played:
        run_id = played.preview()
        late = [trouble("timeout_after", route=BATCH, times=2, rate=1, seconds=1.5)]
        late += [trouble("timeout_after", "shopify", CONSENT, times=1, rate=1, seconds=1.5)]
        played.sandbox.faults(*late)
        played.start(run_id, D1)
        played.until(run_id, "done")
        assert played.sandbox.fired() == 3
        assert outcome(played, run_id) == undisturbed


def test_shopify_throttles_a_standard_plan(
    database_url: str, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    """The bucket holds 2,000 points and fills by 100 a second; the consent of 40 customers costs 600 to look and write."""
    monkeypatch.setattr(engine, "PATIENCE", 60.0)  # the real waits: Shopify says how long
    waits: list[float] = []
    wait_of = shopify_client.throttle_wait
    with stage(database_url, "--people", "3600", "--plan", "standard") as played:

        def counted(body: Row) -> float:
            waits.append(wait_of(body))
            if len(waits) > 15:  # reading again for each try, and never enough left to write
                played.stop.set()
            return waits[-1]

        monkeypatch.setattr(shopify_client, "throttle_wait", counted)
        run_id = played.preview()
        played.start(run_id)
        run = played.until(run_id, "done", rounds=3)
        assert run.counts["consent_writes"] > 160
        assert waits, "nothing was throttled"
        assert run.counts["result"]["people"]["failed"] == {}
        assert closes(run)
        writes = [line["key"] for line in played.sandbox.writes("shopify")]
        assert len(writes) == len(set(writes)) == run.counts["consent_writes"]


def begun(played: Stage, monkeypatch: pytest.MonkeyPatch) -> tuple[UUID, int]:
    """A run in the middle of its writing: some chunks are done, the others wait. And how many are done."""
    monkeypatch.setattr(planning, "BATCH", 20)
    run_id = played.preview()
    played.start(run_id)
    played.sandbox.control("latency", ms=60)
    worker = threading.Thread(target=played.drain)
    worker.start()
    wait_for(lambda: played.sandbox.calls()["mailchimp"].get(BATCH, 0) > 3)
    played.stop.set()
    worker.join(20)
    played.stop.clear()
    played.sandbox.control("latency", ms=0)
    done = chunks_done(played, run_id)
    assert 0 < done < len(played.rows("select 1 from run_chunks where run_id = :run", run=run_id))
    return run_id, done


def chunks_done(played: Stage, run_id: UUID) -> int:
    query = "select count(*) n from run_chunks where run_id = :run and finished_at is not null"
    return int(played.rows(query, run=run_id)[0]["n"])


def test_mailchimp_access_is_withdrawn_midway_and_given_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(database_url, *PEOPLE) as played:
        run_id, done = begun(played, monkeypatch)
        played.sandbox.control("revoke", platform="mailchimp")
        run = played.until(run_id, "needs_you")
        assert run.trouble is not None
        assert run.trouble["code"] == "mc_access_revoked"
        status = connection.status(played.database, played.shop_id)
        assert status is not None
        assert (status.state, status.audience_name) == ("revoked", "Newsletter")
        assert chunks_done(played, run_id) >= done
        assert played.drain() == 0  # nobody tries again and again

        played.connect()
        run = played.until(run_id, "done")
        assert (run.trouble, closes(run)) == (None, True)
        assert run.counts["result"]["people"]["failed"] == {}
        writes = [(line["kind"], line["key"]) for line in played.sandbox.writes() if line["kind"] != "store"]
        assert len(writes) == len(set(writes))


def test_shopify_access_is_withdrawn_midway_and_given_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(database_url, *PEOPLE) as played:
        run_id = played.preview()
        played.start(run_id)
        played.sandbox.control("revoke", platform="shopify")
        run = played.until(run_id, "needs_you")
        assert run.trouble is not None
        assert run.trouble["code"] in ("sh_access_revoked", "invalid_grant")
        status = connection.status(played.database, played.shop_id)
        assert status is not None
        assert status.state == "connected"  # Mailchimp's is well
        assert played.drain() == 0

        session = installation.from_session_token(played.runtime.gateways, played.sandbox.id_token())
        assert session.shop_id == played.shop_id  # the merchant opened the app once
        run = played.until(run_id, "done")
        assert (run.trouble, closes(run)) == (None, True)


def test_the_audience_is_deleted_midway(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(database_url, *PEOPLE) as played:
        run_id, done = begun(played, monkeypatch)
        played.sandbox.control("edit", platform="mailchimp", settings={"delete_audience": "Newsletter"})
        run = played.until(run_id, "needs_you")
        assert run.trouble is not None
        assert run.trouble["code"] == "mc_audience_gone"
        status = connection.status(played.database, played.shop_id)
        assert status is not None
        assert status.state == "gone"
        assert chunks_done(played, run_id) >= done
        assert played.reasons(run_id) == {}  # nobody is parked one by one
        assert played.drain() == 0


def test_one_bad_record_stops_nobody(database_url: str) -> None:
    """Parked with Mailchimp's own words; everybody else in its batch is written."""
    with stage(database_url, *PEOPLE) as played:
        poison = "sales@fake.example.com"
        busy = "sales@busy.example.com"
        for email in (poison, busy):
            played.sandbox.edit("shopify", email, set={"marketingState": "SUBSCRIBED", "firstName": "Sal"})
        run_id = played.preview()
        played.start(run_id)
        run = played.until(run_id, "done")
        reasons = {key: sides["contact"] for key, sides in played.reasons(run_id).items() if key in (poison, busy)}
        assert {key: (row["result"], row["cause"]) for key, row in reasons.items()} == {
            poison: ("failed", "mc_email_refused"),
            busy: ("failed", "mc_too_many_signups"),
        }
        assert reasons[poison]["detail"] == f"{poison} looks fake or invalid, please enter a real email address."
        people = run.counts["result"]["people"]
        assert people["failed"] == {"mc_email_refused": 1, "mc_too_many_signups": 1}
        assert closes(run)
        contacts = played.sandbox.state("mailchimp")
        created = {row["key"] for row in played.plan(run_id) if row["contact_action"] == "create"}
        assert created - contacts.keys() == {poison, busy}
        lines = played.rows("select detail->>'words' words from activities where cause = 'mc_email_refused'")
        assert lines == [{"words": reasons[poison]["detail"]}]


def test_a_call_is_refused_for_a_reason_that_stays(database_url: str) -> None:
    """A retry can't help, and the merchant is told what Mailchimp said; nothing is hammered."""
    with stage(database_url, *PEOPLE) as played:
        run_id = played.preview()
        played.sandbox.control("edit", platform="mailchimp", settings={"disabled": True})
        played.start(run_id)
        played.sandbox.control("calls/reset")
        run = played.until(run_id, "needs_you", "failed")
        assert run.trouble is not None
        assert sum(played.sandbox.calls()["mailchimp"].values()) < 20
