"""The web pixel of a shop: made, mended, removed and looked at by its chore; and the switch of both directions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from small_shop import ONE, House

from shopchimp.db import customer_events, marking, shops
from shopchimp.domain.errors import Unavailable
from shopchimp.jobs import chores as jobs
from shopchimp.runtime import Runtime
from shopchimp.services import going_live, settings
from shopchimp.services.customer_events import pixel, status

SCOPES = "read_customers,write_pixels,read_customer_events"
PATH = "/admin/api/2026-10/graphql.json"
ENDPOINT = "https://app.test/pixel/v1/events"


@dataclass
class Admin:
    """As much of Shopify as a pixel needs: one for each app and shop."""

    settings: dict[str, str] | None = None
    number: int = 0
    refusal: str = ""
    denied: bool = False
    calls: list[str] = field(default_factory=list)
    during: dict[str, Callable[[], None]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # operations that are heard, but whose answer isn't

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content)
        name, variables = asked["operationName"], asked["variables"]
        self.calls.append(name)
        if self.denied:
            error = {"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}
            return httpx.Response(200, json={"errors": [error]})
        answer = self._answer(name, variables)
        self.during.pop(name, lambda: None)()
        if name in self.lost:
            self.lost.remove(name)
            raise httpx.ReadTimeout("too late")
        return httpx.Response(200, json=answer)

    def _answer(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        if name == "WebPixel":
            if self.settings is None:
                return {"errors": [{"message": "No web pixel was found for this app."}]}
            return {"data": {"webPixel": self._shown()}}
        field_name = name[0].lower() + name[1:]
        there = self.settings is not None
        code = self.refusal
        if not code and name == "WebPixelCreate" and there:
            code = "TAKEN"
        if not code and name != "WebPixelCreate" and variables["id"] != self._id():
            code = "NOT_FOUND"
        if code:
            errors = [{"field": None, "message": f"{code}!", "code": code}]
            return {"data": {field_name: {"webPixel": None, "deletedWebPixelId": None, "userErrors": errors}}}
        if name == "WebPixelDelete":
            self.settings = None
            return {"data": {field_name: {"deletedWebPixelId": variables["id"], "userErrors": []}}}
        self.settings = orjson.loads(variables["webPixel"]["settings"])
        if name == "WebPixelCreate":
            self.number += 1
        return {"data": {field_name: {"webPixel": self._shown(), "userErrors": []}}}

    def _id(self) -> str | None:
        return f"gid://shopify/WebPixel/{self.number}" if self.settings is not None else None

    def _shown(self) -> dict[str, Any]:
        return {"id": self._id(), "settings": orjson.dumps(self.settings).decode()}


@pytest.fixture
def admin(house: House) -> Admin:
    made = Admin()
    house.platforms.answers[PATH] = made
    return made


@pytest.fixture
def shop(house: House) -> int:
    """Live, with every permission."""
    shop_id = house.shop(ONE)
    house.connect(shop_id)
    with house.database.transaction() as tx:
        shops.keep_scopes(tx, shop_id, SCOPES)
        going_live.open_lanes(tx, shop_id, contacts=10)
    return shop_id


def work(house: House, shop: int) -> float:
    return pixel.chore(house.gateways, shop)


def row(house: House) -> dict[str, Any]:
    return house.one("select * from pixels")


def said(house: House, shop: int) -> str:
    return status.status(house.database, shop).state


def switch(house: House, shop: int, *, on: bool) -> None:
    settings.change(house.database, shop, {"customer_events": on}, by="test")


def test_s40_it_is_on_by_default_and_the_first_look_makes_the_pixel(house: House, shop: int, admin: Admin) -> None:
    assert said(house, shop) == "turning_on"
    assert work(house, shop) == pixel.AGAIN
    kept = row(house)
    assert admin.settings == {"accountID": kept["account_id"], "endpoint": ENDPOINT}
    assert (kept["state"], kept["enabled"], kept["pixel_id"]) == ("active", True, "gid://shopify/WebPixel/1")
    assert said(house, shop) == "waiting"
    admin.calls.clear()
    assert work(house, shop) == pixel.EVERY
    assert admin.calls == ["WebPixel"]
    assert row(house)["activated_at"] == kept["activated_at"]


def test_going_live_brings_the_chore_and_the_worker_knows_it(house: House, shop: int) -> None:
    from shopchimp.worker import CHORES

    assert house.rows("select name from chores where name = :name and due_at <= now()", name=pixel.CHORE)
    assert CHORES[pixel.CHORE] is pixel.chore


def test_s41_off_takes_effect_at_once_and_both_ways(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    house.do("update chores set due_at = now() + interval '1 day'")
    keep_waiting(house, shop)
    switch(house, shop, on=False)
    # all of this in the setting's own transaction, before anybody has worked
    assert row(house)["enabled"] is False
    assert house.rows("select 1 from changes") == []
    (event,) = house.rows("select * from customer_events where id = 'e1'")
    assert (event["state"], event["reason"]) == ("dropped", "off")
    assert [event[name] for name in ("visitor", "customer_id", "email", "checkout", "body")] == [None] * 5
    counted = house.rows("select direction, name, outcome, n from event_counts order by 1")
    assert [tuple(each.values()) for each in counted] == [
        ("to_mailchimp", "product_viewed", "off", 1),
        ("to_shopify", "engagement", "off", 1),
    ]
    assert said(house, shop) == "off"
    (chore,) = house.rows("select due_at <= now() as due from chores where name = 'pixel'")
    assert chore["due"]
    assert work(house, shop) == pixel.AGAIN
    assert admin.settings is None
    assert row(house)["pixel_id"] is None
    assert work(house, shop) == pixel.EVERY


def keep_waiting(house: House, shop: int) -> None:
    """An event that waits, one that was sent, and a contact who is to be written to Shopify."""
    consent = '{"marketing": true}'
    for event_id, state in (("e1", "waiting"), ("e2", "sent")):
        house.do(
            """
            insert into customer_events (shop_id, id, name, visitor, customer_id, email, checkout, happened_at,
                consent, body, state)
            values (:shop, :id, 'product_viewed', 'v1', 7, 'a@example.com', 'c1', now(), cast(:consent as jsonb),
                '{}', :state)
            """,
            shop=shop, id=event_id, consent=consent, state=state,
        )  # fmt: skip
    with house.database.transaction() as tx:
        marks = [marking.Mark(key, "shopify") for key in (customer_events.visitor_key("v1"), "engaged:aa")]
        marking.mark(tx, shop, marks)


def test_s41_what_was_sent_stays(house: House, shop: int, admin: Admin) -> None:
    keep_waiting(house, shop)
    house.do(
        "insert into engagements (shop_id, contact, counts) values (:shop, 'aa', '{\"email_opened\": 2}')", shop=shop
    )
    switch(house, shop, on=False)
    assert house.one("select state from customer_events where id = 'e2'")["state"] == "sent"
    assert house.one("select counts from engagements")["counts"] == {"email_opened": 2}


def test_s41_on_again_makes_it_anew(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    account = row(house)["account_id"]
    switch(house, shop, on=False)
    work(house, shop)
    switch(house, shop, on=True)
    assert row(house)["enabled"] is True
    assert said(house, shop) == "turning_on"
    work(house, shop)
    assert admin.settings is not None
    assert (row(house)["account_id"], admin.number) == (account, 2)


def test_switched_off_while_it_is_being_made(house: House, shop: int, admin: Admin) -> None:
    admin.during["WebPixelCreate"] = lambda: switch(house, shop, on=False)
    work(house, shop)
    assert admin.calls == ["WebPixel", "WebPixelCreate", "WebPixel", "WebPixelDelete"]
    assert admin.settings is None
    assert (row(house)["state"], row(house)["enabled"]) == ("off", False)


def test_switched_on_while_it_is_being_removed(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    switch(house, shop, on=False)
    admin.during["WebPixelDelete"] = lambda: switch(house, shop, on=True)
    work(house, shop)
    assert admin.settings is not None
    assert (row(house)["state"], row(house)["enabled"]) == ("active", True)


def test_the_switch_takes_the_chore_from_whoever_is_at_it(house: House, shop: int, admin: Admin) -> None:
    """Else a worker that has just looked would go to sleep for a day over the old setting."""
    house.do("update chores set token = gen_random_uuid(), due_at = now() + interval '20 seconds' where name = 'pixel'")
    switch(house, shop, on=False)
    kept = house.one("select token, due_at <= now() as due from chores where name = 'pixel'")
    assert (kept["token"], kept["due"]) == (None, True)


def test_one_that_is_there_with_other_settings_is_mended(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    admin.settings = {"accountID": "somebody", "endpoint": "https://old.example.com/pixel/v1/events"}
    admin.calls.clear()
    assert work(house, shop) == pixel.AGAIN
    assert admin.calls == ["WebPixel", "WebPixelUpdate"]
    assert admin.settings == {"accountID": row(house)["account_id"], "endpoint": ENDPOINT}


def test_one_that_somebody_removed_is_made_again(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    admin.settings = None
    assert work(house, shop) == pixel.AGAIN
    assert (admin.settings is not None, row(house)["pixel_id"]) == (True, "gid://shopify/WebPixel/2")


def test_a_creation_whose_answer_was_lost_makes_no_second_one(house: House, shop: int, admin: Admin) -> None:
    admin.lost.add("WebPixelCreate")
    with pytest.raises(Unavailable):
        work(house, shop)
    work(house, shop)
    assert (admin.number, row(house)["state"]) == (1, "active")


def test_one_that_appears_between_look_and_creation_is_taken(house: House, shop: int, admin: Admin) -> None:
    def somebody() -> None:
        admin.settings, admin.number = {"accountID": "x", "endpoint": "y"}, 5

    admin.during["WebPixel"] = somebody
    work(house, shop)
    assert admin.calls == ["WebPixel", "WebPixelCreate", "WebPixel", "WebPixelUpdate"]
    assert (row(house)["pixel_id"], admin.settings["endpoint"] if admin.settings else "") == (
        "gid://shopify/WebPixel/5",
        ENDPOINT,
    )


@pytest.mark.parametrize(
    ("code", "cause"),
    [("NO_EXTENSION", "pixel_no_extension"), ("INVALID_SETTINGS", "pixel_other_version"), ("BLANK", "pixel_refused")],
)
def test_what_shopify_refuses_is_said_and_tried_again(
    house: House, shop: int, admin: Admin, code: str, cause: str
) -> None:
    admin.refusal = code
    assert work(house, shop) == pixel.REFUSED
    kept = row(house)
    assert (kept["state"], kept["trouble"]) == ("failed", {"code": cause, "detail": f"{code}!"})
    shown = status.status(house.database, shop)
    assert (shown.state, shown.trouble) == ("failed", cause)
    admin.refusal = ""
    work(house, shop)
    assert (row(house)["trouble"], said(house, shop)) == (None, "waiting")


def test_without_the_permission_nothing_is_asked_and_the_rest_goes_on(house: House, shop: int, admin: Admin) -> None:
    with house.database.transaction() as tx:
        shops.keep_scopes(tx, shop, "read_customers,write_pixels")
    assert work(house, shop) == pixel.REFUSED
    assert admin.calls == []
    assert row(house)["trouble"] == {"code": "sh_scope_missing", "detail": "read_customer_events"}
    assert house.one("select access_token from shops")["access_token"] is not None


def test_a_permission_that_shopify_denies_costs_no_token(house: House, shop: int, admin: Admin) -> None:
    """An access token is forgotten where Shopify denies what all of the app needs; a pixel isn't that."""
    admin.denied = True
    stop = threading.Event()
    runtime = Runtime.__new__(Runtime)
    object.__setattr__(runtime, "gateways", house.gateways)
    object.__setattr__(runtime, "lease_seconds", 20.0)
    jobs.drain(runtime, {pixel.CHORE: pixel.chore}, stop=stop)
    assert row(house)["trouble"]["code"] == "sh_scope_missing"
    assert house.one("select access_token from shops")["access_token"] is not None
    assert house.one("select state from connections")["state"] == "connected"
    switch(house, shop, on=False)
    assert work(house, shop) == pixel.EVERY
    assert (row(house)["state"], row(house)["trouble"]) == ("off", None)


def test_disconnected_it_is_removed_and_its_events_are_turned_away(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    assert pixel.remove(house.gateways, shop)
    assert admin.settings is None
    assert row(house)["enabled"] is False
    admin.calls.clear()
    assert not pixel.remove(house.gateways, shop)
    assert admin.calls == []
    work(house, shop)  # live again, with another audience
    assert row(house)["enabled"] is True


def test_a_shopify_that_is_away_keeps_nobody_from_leaving(house: House, shop: int, admin: Admin) -> None:
    work(house, shop)
    house.platforms.answers.clear()
    assert not pixel.remove(house.gateways, shop)
    assert (row(house)["enabled"], row(house)["state"]) == (False, "off")


class TestArriving:
    """S41, ux.md 3.6: whether events arrive is seen, and an empty store raises no alarm."""

    @pytest.fixture(autouse=True)
    def _there(self, house: House, shop: int, admin: Admin) -> None:
        work(house, shop)

    def test_active_when_the_first_event_has_come(self, house: House, shop: int) -> None:
        house.do("update pixels set last_event_at = now()")
        assert said(house, shop) == "active"

    def test_a_quiet_store_is_no_trouble(self, house: House, shop: int) -> None:
        house.do("update pixels set activated_at = now() - interval '9 days'")
        assert said(house, shop) == "waiting"
        house.do("update pixels set last_event_at = now() - interval '5 days'")
        assert said(house, shop) == "active"

    @pytest.mark.parametrize(("begun", "state"), [(4, "active"), (5, "inactive")])
    def test_purchases_without_events_are(self, house: House, shop: int, begun: int, state: str) -> None:
        house.do(
            "update pixels set activated_at = now() - interval '9 days', last_event_at = now() - interval '2 days'"
        )
        self._checkouts(house, shop, begun, "1 day")
        self._checkouts(house, shop, 50, "3 days")
        assert said(house, shop) == state

    def test_a_few_hours_are_no_proof(self, house: House, shop: int) -> None:
        house.do(
            "update pixels set activated_at = now() - interval '9 days', last_event_at = now() - interval '20 hours'"
        )
        self._checkouts(house, shop, 50, "1 hour")
        assert said(house, shop) == "active"

    def test_turn_on_again_sends_the_settings_once_more_and_the_count_begins_anew(
        self, house: House, shop: int, admin: Admin
    ) -> None:
        self.test_purchases_without_events_are(house, shop, 5, "inactive")
        house.do("update chores set due_at = now() + interval '1 day'")
        admin.calls.clear()
        pixel.turn_on_again(house.database, shop)
        assert house.one("select due_at <= now() as due from chores where name = 'pixel'")["due"]
        work(house, shop)
        assert admin.calls == ["WebPixel", "WebPixelUpdate"]
        assert said(house, shop) == "waiting"

    def _checkouts(self, house: House, shop: int, count: int, ago: str) -> None:
        for n in range(count):
            house.do(
                """
                insert into checkouts (shop_id, token, updated_at, node)
                values (:shop, :token, now() - cast(:ago as interval), '{}')
                """,
                shop=shop, token=f"{ago}-{n}", ago=ago,
            )  # fmt: skip
