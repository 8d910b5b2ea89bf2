"""Shopify's tokens: refreshed ahead of time, by one at a time, and never against the merchant's will."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from small_shop import NOW, ONE, TWO, House, pair

from shopchimp.db import shops
from shopchimp.db.crypto import VaultError
from shopchimp.domain.errors import RateLimited, Unauthorized, Unavailable
from shopchimp.services import installation, tokens
from shopchimp.services.tokens import TokenSource
from shopchimp.shopify.oauth import OfflineToken

TOKEN_PATH = "/admin/oauth/access_token"


def source(house: House, shop_id: int) -> TokenSource:
    gateways = house.gateways
    return TokenSource(
        house.database, gateways.vault, gateways.http, gateways.shopify_app, shop_id, clock=gateways.clock
    )


def sent(house: House) -> list[str]:
    return [orjson.loads(request.content)["refresh_token"] for request in house.platforms.to(TOKEN_PATH)]


def test_a_fresh_token_costs_no_call(house: House) -> None:
    token = source(house, house.shop())
    assert [token(), token()] == ["a1", "a1"]
    assert not house.platforms.requests


def test_a_token_without_an_end_is_kept(house: House) -> None:
    shop_id = house.shop(expires=None)
    house.clock.now += timedelta(days=900)
    assert source(house, shop_id)() == "a1"


def test_it_is_refreshed_ahead_of_its_end_and_the_pair_stored_sealed(house: House) -> None:
    shop_id = house.shop(expires=timedelta(minutes=4))
    house.platforms.answers[TOKEN_PATH] = lambda _: pair()
    assert source(house, shop_id)() == "a2"
    assert sent(house) == ["r1"]
    assert source(house, shop_id)() == "a2", "another process finds it stored"
    assert len(house.platforms.requests) == 1
    row = house.one("select * from shops")
    assert b"a2" not in bytes(row["access_token"])
    assert row["access_expires_at"] == NOW + timedelta(hours=1)
    assert row["refreshing_until"] is None


def test_a_running_process_refreshes_when_its_own_token_grows_old(house: House) -> None:
    token = source(house, house.shop())
    house.platforms.answers[TOKEN_PATH] = lambda _: pair()
    assert token() == "a1"
    house.clock.now += timedelta(minutes=53)
    assert token() == "a1"
    house.clock.now += timedelta(minutes=3)
    assert token() == "a2"


@pytest.mark.parametrize("left", [timedelta(minutes=4), timedelta(0)])
def test_of_two_processes_one_refreshes(house: House, left: timedelta) -> None:
    shop_id = house.shop(expires=left)
    answering, both = threading.Event(), threading.Barrier(2)

    def slow(_: httpx.Request) -> httpx.Response:
        answering.wait(5)
        return pair()

    house.platforms.answers[TOKEN_PATH] = slow

    def ask(process: TokenSource) -> str:
        both.wait(5)
        try:
            return process()
        except RateLimited as error:
            return f"in {error.retry_after} s"
        finally:
            answering.set()

    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(ask, [source(house, shop_id), source(house, shop_id)]))
    assert sent(house) == ["r1"]
    assert sorted(got) == ["a1", "a2"] if left else ["a2", "in 1.0 s"]


def test_a_lost_answer_is_asked_for_again_with_the_old_refresh_token(house: House) -> None:
    shop_id = house.shop(expires=timedelta(0))

    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("x", request=request)

    house.platforms.answers[TOKEN_PATH] = lost
    token = source(house, shop_id)
    with pytest.raises(Unavailable):
        token()
    house.platforms.answers[TOKEN_PATH] = lambda _: pair()
    assert token() == "a2", "the right to refresh was given back"
    assert sent(house) == ["r1", "r1"]


def test_while_the_token_is_good_a_refresh_that_fails_stops_nobody(house: House) -> None:
    token = source(house, house.shop(expires=timedelta(minutes=4)))
    assert token() == "a1"  # 503
    assert token() == "a1"
    assert len(sent(house)) == 1, "not asked again at once"
    house.clock.now += timedelta(seconds=3)
    house.platforms.answers[TOKEN_PATH] = lambda _: pair()
    assert token() == "a2"


def test_a_worker_that_died_refreshing_blocks_for_half_a_minute_only(house: House) -> None:
    shop_id = house.shop(expires=timedelta(0))
    house.platforms.answers[TOKEN_PATH] = lambda _: pair()
    with house.database.transaction() as tx:
        assert shops.take_refresh(tx, shop_id, seconds=30)
        assert not shops.take_refresh(tx, shop_id, seconds=30)
    with pytest.raises(RateLimited):
        source(house, shop_id)()
    house.do("update shops set refreshing_until = now() - interval '1 second'")
    assert source(house, shop_id)() == "a2"


def test_a_refresh_that_answers_after_the_uninstall_brings_nobody_back(house: House) -> None:
    shop_id = house.shop(expires=timedelta(0))

    def late(_: httpx.Request) -> httpx.Response:
        installation.uninstalled(house.gateways, shop_id)
        return pair()

    house.platforms.answers[TOKEN_PATH] = late
    with pytest.raises(Unauthorized):
        source(house, shop_id)()
    row = house.one("select * from shops")
    assert (row["access_token"], row["refresh_token"]) == (None, None)
    assert row["uninstalled_at"] is not None


def test_a_refresh_that_answers_after_a_new_installation_changes_nothing(house: House) -> None:
    shop_id = house.shop(expires=timedelta(0))

    def late(_: httpx.Request) -> httpx.Response:
        house.shop(token="a9")
        return pair()

    house.platforms.answers[TOKEN_PATH] = late
    assert source(house, shop_id)() == "a9"
    assert source(house, shop_id)() == "a9"


def test_a_refused_token_is_refreshed_although_it_had_time_left(house: House) -> None:
    token = source(house, house.shop())
    house.platforms.answers[TOKEN_PATH] = lambda _: pair()
    assert token(refused=token()) == "a2"
    assert token(refused="a1") == "a2", "somebody else's old token is no reason"
    assert sent(house) == ["r1"]


def test_a_refused_token_that_was_replaced_meanwhile_costs_no_refresh(house: House) -> None:
    shop_id = house.shop()
    token = source(house, shop_id)
    assert token() == "a1"
    house.shop(token="a9")
    assert token(refused="a1") == "a9"
    assert not house.platforms.requests


@pytest.mark.parametrize("status", [400, 401])
def test_a_dead_refresh_token_needs_the_merchant(house: House, status: int) -> None:
    shop_id = house.shop(expires=timedelta(0))
    house.platforms.answers[TOKEN_PATH] = lambda _: httpx.Response(status, json={"error": "invalid_grant"})
    with pytest.raises(Unauthorized) as caught:
        source(house, shop_id)()
    assert caught.value.code == "invalid_grant"
    assert house.one("select refreshing_until from shops")["refreshing_until"] is None


def test_tokens_open_in_their_own_row_alone(house: House) -> None:
    one, two = house.shop(ONE), house.shop(TWO, token="b1")
    assert source(house, two)() == "b1"
    house.do(
        "update shops set access_token = (select access_token from shops where id = :two) where id = :one",
        one=one,
        two=two,
    )
    with pytest.raises(VaultError):
        source(house, one)()
    house.do("update shops set access_token = refresh_token where id = :two", two=two)
    with pytest.raises(VaultError):
        source(house, two)()


def test_a_pair_without_a_refresh_token_is_kept_as_it_is(house: House) -> None:
    shop_id = house.shop()
    pair_ = OfflineToken("a5", ("read_customers",), None, None, None)
    tokens.store(house.database, house.gateways.vault, shop_id, pair_)
    token = source(house, shop_id)
    assert token() == "a5"
    with pytest.raises(Unauthorized):
        token(refused="a5")


def test_who_comes_second_uses_what_the_first_one_brought(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_id = house.shop(expires=timedelta(0))
    take = shops.take_refresh

    def after_another(*args: Any, **named: Any) -> bool:
        house.shop(token="a9")  # between our look at the row and our turn
        return take(*args, **named)

    monkeypatch.setattr(shops, "take_refresh", after_another)
    assert source(house, shop_id)() == "a9"
    assert not house.platforms.requests
    assert house.one("select refreshing_until from shops")["refreshing_until"] is None
