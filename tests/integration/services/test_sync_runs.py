"""The merchant's side of a run: what may be pressed when, and who gets their way where two press at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from small_shop import NOW, ONE, TWO, House, contact, customer

from shopchimp.db import shops
from shopchimp.domain.consent import Policy
from shopchimp.services import settings, sync_runs
from shopchimp.services.sync_runs import StartRefused

CONFLICT = (
    [customer(1, "a@example.com", "UNSUBSCRIBED", NOW, first_name="Ana")],
    [contact("a@example.com", "subscribed", NOW - timedelta(days=9))],
)


@pytest.fixture
def shop(house: House) -> int:
    shop_id = house.shop()
    house.connect(shop_id)
    return shop_id


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(StartRefused) as caught:
        work()
    assert caught.value.message
    return caught.value.code


def start(house: House, shop_id: int, run_id: UUID, policy: Policy | None = None, *, confirmed: bool = True) -> None:
    sync_runs.start(house.database, shop_id, run_id, policy=policy, confirmed=confirmed)


# ---------------------------------------------------------------- previews


def test_a_preview_needs_an_account_and_an_audience(house: House) -> None:
    shop_id = house.shop()
    assert refusal(lambda: sync_runs.make_preview(house.database, shop_id)) == "no_audience"
    house.connect(shop_id, audience=None)
    assert refusal(lambda: sync_runs.make_preview(house.database, shop_id)) == "no_audience"
    assert refusal(lambda: sync_runs.make_preview(house.database, 10**9)) == "not_installed"


def test_two_clicks_make_one_preview(house: House, shop: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        with house.database.transaction() as tx:  # the first click, just before its commit
            shops.lock(tx, shop)
            second = pool.submit(sync_runs.make_preview, house.database, shop)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
        made = second.result(timeout=5)
    assert sync_runs.make_preview(house.database, shop) == made
    assert len(house.rows("select 1 from sync_runs")) == 1


def test_a_preview_in_the_making_gives_way_when_the_options_changed(house: House, shop: int) -> None:
    first = sync_runs.make_preview(house.database, shop)
    settings.change(house.database, shop, {"tag": "Other"}, by="42")
    second = sync_runs.make_preview(house.database, shop)
    assert first != second
    assert house.run(shop, first).state == "expired"
    assert house.run(shop, second).options["tag"] == "Other"


def test_a_new_preview_replaces_a_ready_one_but_never_a_running_sync(house: House, shop: int) -> None:
    ready = house.run_of(shop, [customer(1, "a@example.com")])
    sync_runs.make_preview(house.database, shop)
    assert house.run(shop, ready).state == "expired"
    house.do("delete from sync_runs")
    running = house.run_of(shop, [customer(1, "a@example.com")])
    start(house, shop, running)
    for state in ("running", "paused", "needs_you"):
        house.do("update sync_runs set state = :state", state=state)
        assert refusal(lambda: sync_runs.make_preview(house.database, shop)) == "already_running"


# ---------------------------------------------------------------- start


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("state = 'preparing'", "not_ready"),
        ("state = 'cancelled'", "preview_expired"),
        ("state = 'failed'", "preview_expired"),
        ("expires_at = now() - interval '1 second'", "preview_expired"),
        ("state = 'running', started_at = now()", "already_running"),
        ("state = 'needs_you', started_at = now()", "already_running"),
        ("state = 'done', started_at = now()", "already_running"),
        ("options = jsonb_set(options, '{tag}', '\"Other\"')", "settings_changed"),
        ("audience_id = 'aud2'", "settings_changed"),
    ],
)
def test_start_is_refused_where_the_preview_no_longer_holds(house: House, shop: int, change: str, code: str) -> None:
    run_id = house.run_of(shop, [customer(1, "a@example.com")])
    house.do(f"update sync_runs set {change}")
    before = house.run(shop, run_id)
    assert refusal(lambda: start(house, shop, run_id)) == code
    assert house.run(shop, run_id) == before


def test_start_is_refused_after_a_disconnect(house: House, shop: int) -> None:
    run_id = house.run_of(shop, [customer(1, "a@example.com")])
    house.do("delete from connections")
    assert refusal(lambda: start(house, shop, run_id)) == "settings_changed"


def test_the_question_of_d1_must_be_answered_once(house: House, shop: int) -> None:
    run_id = house.run_of(shop, *CONFLICT)
    assert refusal(lambda: start(house, shop, run_id)) == "policy_needed"
    settings.change(house.database, shop, {"conflict_policy": "mailchimp_wins"}, by="42")
    start(house, shop, run_id)
    assert house.run(shop, run_id).state == "running"


def test_consent_changes_must_be_confirmed_and_the_answer_is_kept(house: House, shop: int) -> None:
    run_id = house.run_of(shop, *CONFLICT)
    latest = Policy.LATEST_CHOICE_WINS
    assert refusal(lambda: start(house, shop, run_id, latest, confirmed=False)) == "consent_unconfirmed"
    run = house.run(shop, run_id)
    assert (run.state, run.policy) == ("ready", "latest_choice_wins")
    start(house, shop, run_id, latest)
    assert house.one("select detail from activities where kind = 'run'")["detail"]["policy"] == "latest_choice_wins"


def test_without_consent_changes_nothing_needs_confirming(house: House, shop: int) -> None:
    run_id = house.run_of(shop, [customer(1, "a@example.com")])
    start(house, shop, run_id, confirmed=False)
    run = house.run(shop, run_id)
    assert (run.state, run.phase, run.started_at is not None, run.due_at is not None) == (
        "running",
        "contacts",
        True,
        True,
    )


def test_of_two_starts_one_counts(house: House, shop: int) -> None:
    run_id = house.run_of(shop, *CONFLICT)

    def press(policy: Policy) -> str:
        try:
            start(house, shop, run_id, policy)
        except StartRefused as refused:
            return refused.code
        return policy.value

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(press, Policy)
    assert {first, second} - {"already_running"} == {house.run(shop, run_id).policy}
    assert len(house.rows("select 1 from activities where kind = 'run'")) == 1


def test_a_choice_in_another_tab_never_changes_what_was_started(house: House, shop: int) -> None:
    for wanted, other in ((Policy.MAILCHIMP_WINS, Policy.LATEST_CHOICE_WINS), tuple(reversed(Policy))):
        run_id = house.run_of(shop, *CONFLICT, policy=other.value)

        def choose(run: UUID = run_id, policy: Policy = other) -> str:
            try:
                sync_runs.choose_policy(house.database, shop, run, policy)
            except StartRefused as refused:
                return refused.code
            return "chosen"

        with ThreadPoolExecutor(2) as pool:
            pressed = pool.submit(start, house, shop, run_id, wanted)
            assert pool.submit(choose).result() in {"chosen", "not_ready"}
            pressed.result()
        (row,) = house.plan(run_id)
        to_shopify = row["to_customer"] is not None
        assert (house.run(shop, run_id).policy, to_shopify) == (wanted.value, wanted is Policy.MAILCHIMP_WINS)


# ---------------------------------------------------------------- pause, resume, cancel


def test_pause_resume_cancel_in_their_states_alone(house: House, shop: int) -> None:
    run_id = house.run_of(shop, [customer(1, "a@example.com")])
    act = {"shop_id": shop, "run_id": run_id}
    assert refusal(lambda: sync_runs.pause(house.database, **act)) == "not_running"
    assert refusal(lambda: sync_runs.resume(house.database, **act)) == "not_paused"
    start(house, shop, run_id)
    sync_runs.pause(house.database, **act)
    assert house.run(shop, run_id).due_at is None
    assert refusal(lambda: sync_runs.pause(house.database, **act)) == "not_running"
    sync_runs.resume(house.database, **act)
    assert house.run(shop, run_id).state == "running"
    sync_runs.cancel(house.database, **act)
    run = house.run(shop, run_id)
    assert (run.state, run.due_at, run.finished_at is not None) == ("cancelled", None, True)
    for work in (sync_runs.cancel, sync_runs.pause, sync_runs.resume):
        refusal(lambda work=work: work(house.database, **act))  # type: ignore[misc]


def test_another_shops_run_does_not_exist(house: House, shop: int) -> None:
    run_id = house.run_of(shop, *CONFLICT)
    other = house.shop(TWO)
    house.connect(other)
    for run in (run_id, uuid4()):
        assert refusal(lambda run=run: start(house, other, run, Policy.LATEST_CHOICE_WINS)) == "not_found"  # type: ignore[misc]
        choose = lambda run=run: sync_runs.choose_policy(house.database, other, run, Policy.LATEST_CHOICE_WINS)  # noqa: E731
        assert refusal(choose) == "not_found"
        for work in (sync_runs.pause, sync_runs.resume, sync_runs.cancel):
            refusal(lambda work=work, run=run: work(house.database, other, run))  # type: ignore[misc]
    run = house.run(shop, run_id)
    assert (run.state, run.policy) == ("ready", "mailchimp_wins")
    assert sync_runs.make_preview(house.database, other) != run_id
    assert house.run(shop, run_id).state == "ready"
    assert house.one("select domain from shops where id = :id", id=shop)["domain"] == ONE
