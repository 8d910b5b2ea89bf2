"""Installed, gone and back again, by either of Shopify's ways."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from small_shop import NOW, ONE, TWO, House, customer, id_token, pair

from shopchimp.domain.errors import PlatformError, Unauthorized
from shopchimp.services import installation, sync_runs
from shopchimp.services.sync_runs import StartRefused
from shopchimp.shopify.session_tokens import InvalidSessionToken

TOKEN_PATH = "/admin/oauth/access_token"
GRAPHQL = "/admin/api/2026-10/graphql.json"


@pytest.fixture(autouse=True)
def _platforms(house: House) -> None:
    info = {"shop": {"name": "Demo", "currencyCode": "EUR", "ianaTimezone": "Europe/Berlin"}}
    house.platforms.answers = {
        TOKEN_PATH: lambda _: pair("a1", "r1"),
        GRAPHQL: lambda _: httpx.Response(200, json={"data": info}),
    }


def enter(house: House, domain: str = ONE) -> installation.ShopSession:
    return installation.from_session_token(house.gateways, id_token(domain, house.clock()))


def test_the_first_session_token_installs_and_the_second_finds_it_done(house: House) -> None:
    first, second = enter(house), enter(house)
    assert (first, first.domain, first.user) == (second, ONE, "42")
    assert len(house.platforms.to(TOKEN_PATH)) == 1
    row = house.one("select * from shops")
    assert (row["name"], row["currency"], row["timezone"]) == ("Demo", "EUR", "Europe/Berlin")
    assert house.one("select detail from activities where kind = 'connection'")["detail"]["installed"] is True


def test_not_knowing_the_shops_name_hinders_nothing(house: House) -> None:
    house.platforms.answers[GRAPHQL] = lambda _: httpx.Response(503)
    assert enter(house).shop_id
    house.platforms.answers[GRAPHQL] = lambda _: httpx.Response(200, json={"data": {"shop": None}})
    assert enter(house, TWO).shop_id


def test_a_forged_token_installs_nothing(house: House) -> None:
    with pytest.raises(InvalidSessionToken):
        installation.from_session_token(house.gateways, id_token(ONE, house.clock() - timedelta(hours=1)))
    assert not house.platforms.requests
    assert house.rows("select 1 from shops") == []


def test_what_the_exchange_refuses_is_told(house: House) -> None:
    house.platforms.answers[TOKEN_PATH] = lambda _: httpx.Response(400, json={"error": "invalid_subject_token"})
    with pytest.raises(PlatformError) as caught:
        enter(house)
    assert caught.value.code == "invalid_subject_token"
    assert house.rows("select 1 from shops") == []


def test_after_an_uninstall_nothing_runs_and_everything_stays_but_the_tokens(house: House) -> None:
    shop_id = enter(house).shop_id
    house.connect(shop_id)
    run_id = house.run_of(shop_id, [customer(1, "a@example.com")])
    preparing = sync_runs.make_preview(house.database, shop_id)
    installation.uninstalled(house.gateways, shop_id)
    assert house.run(shop_id, preparing).state == "cancelled"
    assert house.run(shop_id, run_id).state in {"expired", "cancelled"}
    row = house.one("select * from shops")
    assert row["access_token"] is row["refresh_token"] is None
    assert house.rows("select 1 from connections"), "the account stays for a reinstall"
    with pytest.raises(Unauthorized):
        house.gateways.shopify(shop_id)
    with pytest.raises(StartRefused) as caught:
        sync_runs.make_preview(house.database, shop_id)
    assert caught.value.code == "not_installed"
    with pytest.raises(Unauthorized):
        installation.standalone(house.gateways, ONE)


def test_a_reinstall_finds_the_row_it_left(house: House) -> None:
    first = enter(house).shop_id
    installation.uninstalled(house.gateways, first)
    before = house.one("select installed_at from shops")["installed_at"]
    assert enter(house).shop_id == first
    row = house.one("select * from shops")
    assert row["uninstalled_at"] is None
    assert row["installed_at"] > before
    assert installation.standalone(house.gateways, ONE).shop_id == first


def test_opening_the_app_mends_access_that_ended(house: House) -> None:
    shop_id = enter(house).shop_id
    house.connect(shop_id)
    run_id = sync_runs.make_preview(house.database, shop_id)
    house.do("update sync_runs set state = 'needs_you', due_at = null")
    house.do("update shops set access_token = null")  # as the job does when Shopify takes the token no more
    enter(house)
    assert len(house.platforms.to(TOKEN_PATH)) == 2
    run = house.run(shop_id, run_id)
    assert (run.state, run.attempts, run.trouble) == ("preparing", 0, None)
    assert run.due_at is not None


def test_a_refresh_token_past_its_end_is_replaced_when_the_app_is_opened(house: House) -> None:
    enter(house)
    house.clock.now = NOW + timedelta(days=91)
    enter(house)
    assert len(house.platforms.to(TOKEN_PATH)) == 2


def begin(house: House, domain: str, browser: str = "b") -> str:
    url = installation.begin_code_grant(house.gateways, domain, browser=browser)
    return httpx.URL(url).params["state"]


def test_the_code_grant_ends_in_the_same_row(house: House) -> None:
    state = begin(house, ONE)
    shop_id = installation.finish_code_grant(house.gateways, shop=ONE, code="c", state=state, browser="b")
    assert shop_id == enter(house).shop_id
    assert len(house.platforms.to(TOKEN_PATH)) == 1


@pytest.mark.parametrize(
    ("shop", "browser"),
    [(TWO, "b"), (ONE, "another"), (ONE, None)],
    ids=["another shop", "another browser", "no cookie"],
)
def test_a_state_is_good_for_its_shop_and_browser_alone(house: House, shop: str, browser: str | None) -> None:
    state = begin(house, ONE)
    assert installation.finish_code_grant(house.gateways, shop=shop, code="c", state=state, browser=browser) is None
    assert not house.platforms.requests


def test_a_state_counts_once_and_for_ten_minutes(house: House) -> None:
    state, old = begin(house, ONE), begin(house, ONE)
    house.do(
        "update oauth_states set expires_at = now() where digest = sha256(cast(:state as bytea))", state=old.encode()
    )
    finish = {"shop": ONE, "code": "c", "browser": "b"}
    assert installation.finish_code_grant(house.gateways, state=state, **finish)
    assert installation.finish_code_grant(house.gateways, state=state, **finish) is None
    assert installation.finish_code_grant(house.gateways, state=old, **finish) is None


def test_a_state_of_mailchimps_round_trip_is_none_of_shopifys(house: House) -> None:
    from shopchimp.services import connection

    shop_id = enter(house).shop_id
    state = httpx.URL(connection.begin(house.gateways, shop_id)).params["state"]
    assert installation.finish_code_grant(house.gateways, shop=ONE, code="c", state=state, browser=None) is None
    assert connection.began_for(house.gateways, state) == ONE
    assert connection.began_for(house.gateways, state) is None
