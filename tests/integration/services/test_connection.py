"""Connecting an account, choosing the audience once, and leaving."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from small_shop import ONE, TWO, House, contact, customer

from shopchimp.domain.errors import Unauthorized
from shopchimp.services import connection, sync_runs
from shopchimp.services.connection import ConnectRefused

LISTS = [
    {"id": "aud1", "name": "Newsletter", "stats": {"member_count": "7", "total_contacts": None}, "double_optin": False},
    {"id": "aud2", "name": "Wholesale", "stats": None, "double_optin": True},
]


@pytest.fixture(autouse=True)
def account(house: House) -> dict[str, Any]:
    """What Mailchimp says of the account; a test may change it."""
    said = {"account_id": "acc1", "login_id": 9, "account_name": "Ana Goods", "role": "owner"}
    house.platforms.answers = {
        "/oauth2/token": lambda _: httpx.Response(200, json={"access_token": "mc-token"}),
        "/oauth2/metadata": lambda _: httpx.Response(200, json={"dc": "us6"}),
        "/3.0/": lambda _: httpx.Response(200, json=said),
        "/3.0/lists": lambda _: httpx.Response(200, json={"lists": LISTS}),
    }
    return said


def connect(house: House, domain: str = ONE) -> None:
    connection.finish(house.gateways, domain, "code")


def started(house: House, shop_id: int) -> Any:
    run_id = house.run_of(shop_id, [customer(1, "a@example.com")], [contact("a@example.com", "transactional")])
    sync_runs.start(house.database, shop_id, run_id, policy=None, confirmed=True)
    return run_id


def refusal(work: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(ConnectRefused) as caught:
        work(*args, **named)
    return caught.value.code


def test_an_account_is_stored_sealed_and_speaks_for_its_shop_alone(house: House) -> None:
    one, two = house.shop(ONE), house.shop(TWO)
    connect(house)
    assert b"mc-token" not in bytes(house.one("select access_token from connections")["access_token"])
    status = connection.status(house.database, one)
    assert status is not None
    assert (status.account_name, status.state, status.audience_id) == ("Ana Goods", "connected", None)
    assert connection.status(house.database, two) is None
    with pytest.raises(Unauthorized):
        house.gateways.mailchimp(two)
    assert [each.id for each in connection.all_audiences(house.gateways, one)] == ["aud1", "aud2"]
    assert house.platforms.requests[-1].headers["Authorization"] == "Bearer mc-token"


def test_a_user_who_may_not_change_audiences_is_refused(house: House, account: dict[str, Any]) -> None:
    house.shop()
    account["role"] = "viewer"
    assert refusal(connect, house) == "mc_role_too_low"
    assert house.rows("select 1 from connections") == []


def test_a_shop_that_left_meanwhile_connects_nothing(house: House) -> None:
    house.shop()
    house.do("update shops set uninstalled_at = now()")
    assert refusal(connect, house) == "sh_access_revoked"
    assert not house.platforms.requests


def test_only_an_audience_of_the_account_can_be_chosen(house: House) -> None:
    shop_id = house.shop()
    assert refusal(connection.choose_audience, house.gateways, shop_id, "aud1") == "mc_access_revoked"
    connect(house)
    assert refusal(connection.choose_audience, house.gateways, shop_id, "../x") == "mc_audience_gone"
    chosen = connection.choose_audience(house.gateways, shop_id, "aud2")
    assert (chosen.name, chosen.double_optin, chosen.contacts) == ("Wholesale", True, 0)


def test_before_anything_was_written_the_audience_may_change_and_its_preview_is_void(house: House) -> None:
    shop_id = house.shop()
    house.connect(shop_id)
    ready = house.run_of(shop_id, [customer(1, "a@example.com")])
    connection.choose_audience(house.gateways, shop_id, "aud2")
    assert house.run(shop_id, ready).state == "cancelled"
    fresh = sync_runs.make_preview(house.database, shop_id)
    assert house.run(shop_id, fresh).audience_id == "aud2"


def test_once_a_sync_was_started_the_audience_stays(house: House) -> None:
    shop_id = house.shop()
    house.connect(shop_id)
    run_id = started(house, shop_id)
    assert refusal(connection.choose_audience, house.gateways, shop_id, "aud2") == "audience_fixed"
    assert house.run(shop_id, run_id).state == "running"
    connection.choose_audience(house.gateways, shop_id, "aud1")  # the same again is no change
    assert house.run(shop_id, run_id).state == "running"


def test_an_audience_that_was_deleted_may_be_left(house: House) -> None:
    shop_id = house.shop()
    house.connect(shop_id)
    run_id = started(house, shop_id)
    house.do("update connections set state = 'gone'")
    connection.choose_audience(house.gateways, shop_id, "aud2")
    assert house.run(shop_id, run_id).state == "cancelled"


def test_the_same_account_again_keeps_the_audience_and_wakes_what_waited(house: House) -> None:
    shop_id = house.shop()
    house.connect(shop_id)
    run_id = started(house, shop_id)
    house.do("update sync_runs set state = 'needs_you', due_at = null")
    house.do("update connections set state = 'revoked'")
    connect(house)
    status = connection.status(house.database, shop_id)
    assert status is not None
    assert (status.audience_id, status.state) == ("aud1", "connected")
    run = house.run(shop_id, run_id)
    assert (run.state, run.due_at is not None) == ("running", True)


def test_another_account_starts_from_nothing(house: House, account: dict[str, Any]) -> None:
    shop_id = house.shop()
    house.connect(shop_id)
    run_id = started(house, shop_id)
    account["account_id"] = "acc2"
    connect(house)
    status = connection.status(house.database, shop_id)
    assert status is not None
    assert (status.audience_id, status.audience_name) == (None, None)
    assert house.run(shop_id, run_id).state == "cancelled", "it would have written into the other account"


def test_disconnecting_wants_the_name_typed(house: House) -> None:
    shop_id = house.shop()
    assert refusal(connection.disconnect, house.gateways, shop_id, confirm_name="") == "not_connected"
    house.connect(shop_id)
    assert refusal(connection.disconnect, house.gateways, shop_id, confirm_name="newsletter?") == "not_confirmed"
    assert house.rows("select 1 from connections")


def test_disconnecting_ends_the_run_and_removes_what_it_says_and_nothing_of_anybody_else(house: House) -> None:
    one, two = house.shop(ONE), house.shop(TWO)
    house.connect(one)
    house.connect(two)
    mine, theirs = started(house, one), started(house, two)
    removed = connection.disconnect(house.gateways, one, confirm_name=" Newsletter ")
    assert any("plan" in each for each in removed)
    assert house.plan(mine) == []
    assert house.rows("select 1 from run_contacts where run_id = :run", run=mine) == []
    assert (house.run(one, mine).state, house.run(one, mine).due_at) == ("cancelled", None)
    assert house.run(two, theirs).state == "running"
    assert len(house.plan(theirs)) == 1
    assert connection.status(house.database, two) is not None


def test_after_a_disconnect_another_audience_may_be_chosen_and_changed(house: House) -> None:
    shop_id = house.shop()
    house.connect(shop_id)
    started(house, shop_id)
    connection.disconnect(house.gateways, shop_id, confirm_name="Newsletter")
    connect(house)
    connection.choose_audience(house.gateways, shop_id, "aud2")
    connection.choose_audience(house.gateways, shop_id, "aud1")  # aud2 was never written to
    assert refusal(connection.choose_audience, house.gateways, shop_id, "aud2") == "audience_fixed"
