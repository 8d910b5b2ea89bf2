"""Orders that come late and a first sync that begins meanwhile: the automations stay held for the history (S76)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from market_ground import Market, market

from shopchimp.db import sync_runs
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce import late
from stage import AUDIENCE


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def begin_run(fair: Market) -> None:
    """A run writes the store's history from now on."""
    run_id = uuid4()
    with fair.stage.database.transaction() as tx:
        sync_runs.create(tx, fair.stage.shop_id, run_id, audience_id=AUDIENCE, options={}, policy="mailchimp_wins")
        sync_runs.set_state(tx, fair.stage.shop_id, run_id, "running", due=False, phase="orders")
    fair.do("update sync_runs set started_at = now() where shop_id = :shop and state = 'running'")


def is_held(fair: Market) -> bool:
    there = ecommerce.get_store(fair.stage.runtime.gateways.mailchimp(fair.stage.shop_id), fair.store_id)
    assert there is not None
    return there.is_syncing and fair.stage.rows("select store_syncing from connections")[0]["store_syncing"]


@pytest.mark.parametrize("when", ["before its orders are written", "while they are"])
def test_a_first_sync_that_begins_meanwhile_keeps_the_automations_held(
    fair: Market, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Invariant 9: what is let go for some late orders would be let go for the whole history, too."""
    fair.order(created_at=1794300000)
    fair.work()
    fair.chore("late_orders")
    fair.graced()
    fair.do("update connections set store_syncing = true")
    if when == "while they are":
        work = late._work
        monkeypatch.setattr(late, "_work", lambda *given: begin_run(fair) is None and work(*given))
    else:
        ecommerce.change_store(
            fair.stage.runtime.gateways.mailchimp(fair.stage.shop_id), fair.store_id, is_syncing=True
        )
        begin_run(fair)
    fair.chore("late_orders")
    assert is_held(fair)
    assert not fair.stage.rows("select 1 from chores where name = 'late_orders' and cursor ? 'since'")
    fair.do("delete from sync_runs where shop_id = :shop")
    ecommerce.change_store(fair.stage.runtime.gateways.mailchimp(fair.stage.shop_id), fair.store_id, is_syncing=False)
    fair.do("update connections set store_syncing = false")
    fair.live()
    assert not is_held(fair)
