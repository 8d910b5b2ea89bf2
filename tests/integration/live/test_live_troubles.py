"""Every class of error during live work: what is retried, parked or pauses the connection, and what the merchant reads.

A few people are worked on in one slice, and one of them (or the whole call) meets the error. Invariant 7: the others are
finished. No change is lost: when the trouble is over, all of them agree on both sides. (mailchimp.md 3, shopify.md 2.3, 5)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from live_ground import Ground, new_email

from shopchimp.db import marking, stops
from shopchimp.domain.causes import CAUSES
from shopchimp.jobs import lanes, verdicts
from shopchimp.mailchimp import client as mailchimp_client
from shopchimp.services.live import work
from shopchimp.shopify import client as shopify_client
from shopchimp.shopify.customers import gid

Answer = httpx.Response | Exception | None
Asked = Callable[[httpx.Request], Answer]


@contextmanager
def answering(asked: Asked) -> Iterator[list[httpx.Request]]:
    """In place of the platforms: an answer, an error, or None, which lets the request through."""
    disturbed: list[httpx.Request] = []

    def side_effect(request: httpx.Request) -> httpx.Response | None:
        answer = asked(request)
        if answer is None:
            return None
        disturbed.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with respx.mock(assert_all_called=False) as router:
        router.route(name="all").mock(side_effect=lambda request: side_effect(request) or request)
        yield disturbed


def one_slice(shop: Ground) -> None:
    lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works={marking.LIVE: work}, at_most=1)


def open_until(shop: Ground) -> tuple[Any, Any]:
    (lane,) = shop.stage.rows("select open_until > now() as closed, trouble from lanes where lane = 'contacts'")
    return lane["closed"], lane["trouble"]


def notes(shop: Ground) -> list[Any]:
    return [
        row["cause"] for row in shop.stage.rows("select cause from activities where kind = 'connection' order by id")
    ]


def connection_state(shop: Ground) -> str:
    return str(shop.stage.rows("select state from connections")[0]["state"])


# ------------------------------------------------------------------ Mailchimp, one contact's write


def problem(status: int, title: str, detail: str = "", **more: Any) -> httpx.Response:
    body = {"title": title, "status": status, "detail": detail, "instance": "x", **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


@dataclass(frozen=True)
class Row:
    """An answer to the victim's write, how the change ends, and under which cause."""

    answer: Callable[[], Answer]
    end: str  # parked, explained, again, paused
    cause: str


MERGE = [{"field": "FNAME", "message": "This value is too long."}]
MAILCHIMP = {
    "400 invalid": Row(lambda: problem(400, "Invalid Resource", "The resource is invalid."), "parked", "mc_rejected"),
    "400 merge field": Row(
        lambda: problem(400, "Invalid Resource", "Your merge fields were invalid.", errors=MERGE),
        "parked",
        "mc_field_value",
    ),
    "400 json": Row(lambda: problem(400, "JSON Parse Exception", "We could not parse it"), "parked", "mc_rejected"),
    "400 action": Row(lambda: problem(400, "Invalid Action", "Not now"), "parked", "mc_rejected"),
    "400 compliance": Row(
        lambda: problem(400, "Member In Compliance State", "x is in a compliance state due to unsubscribe"),
        "explained",
        "mc_compliance_state",
    ),
    "400 forgotten": Row(
        lambda: problem(400, "Forgotten Email Not Subscribed", "x was permanently deleted"), "explained", "mc_forgotten"
    ),
    "400 fake": Row(
        lambda: problem(400, "Invalid Resource", "x@y.example.com looks fake or invalid"), "parked", "mc_email_refused"
    ),
    "400 busy": Row(
        lambda: problem(400, "Invalid Resource", "x has signed up to a lot of lists very recently"),
        "tomorrow",
        "mc_too_many_signups",
    ),
    "400 plan": Row(lambda: problem(400, "Bad Request", "Your plan is full"), "parked", "mc_plan_limit"),
    "401": Row(lambda: problem(401, "API Key Invalid"), "paused", "mc_access_revoked"),
    "403 json": Row(lambda: problem(403, "Forbidden", "No permission"), "paused", "mc_role_too_low"),
    "403 disabled": Row(lambda: problem(403, "User Disabled", "Deactivated"), "paused", "mc_role_too_low"),
    "403 bare": Row(lambda: httpx.Response(403, html="<html>Access Denied</html>"), "throttled", "mc_slow_down"),
    "404 audience": Row(lambda: problem(404, "Resource Not Found"), "paused", "mc_audience_gone"),
    "405": Row(lambda: problem(405, "Method Not Allowed"), "parked", "mc_rejected"),
    "414": Row(lambda: problem(414, "Resource Nesting Too Deep"), "parked", "mc_rejected"),
    "422": Row(lambda: problem(422, "Invalid Method Override"), "parked", "mc_rejected"),
    "426": Row(lambda: problem(426, "Upgrade Required"), "parked", "mc_rejected"),
    "429": Row(lambda: problem(429, "Too Many Requests"), "throttled", "mc_slow_down"),
    "500": Row(lambda: problem(500, "Internal Server Error"), "again", "mc_unreachable"),
    "502 html": Row(lambda: httpx.Response(502, html="<html>Bad Gateway</html>"), "again", "mc_unreachable"),
    "200 html": Row(lambda: httpx.Response(200, html="<html>Back soon</html>"), "again", "mc_unreachable"),
    "time-out": Row(lambda: httpx.ReadTimeout("too slow"), "again", "mc_unreachable"),
    "no connection": Row(lambda: httpx.ConnectError("refused"), "again", "mc_unreachable"),
    "reset": Row(lambda: httpx.RemoteProtocolError("reset"), "again", "mc_unreachable"),
}


def few(shop: Ground) -> list[str]:
    """Not more than the slots, so that each is written alone."""
    emails = [new_email("mc") for _ in range(3)]
    for email in emails:
        shop.chosen(email, "SUBSCRIBED")
    shop.stage.mark(*emails)
    return emails


@pytest.mark.parametrize("name", MAILCHIMP)
def test_mailchimp_answers_one_write_with(shop: Ground, name: str) -> None:
    """Mailchimp.md section 3, row by row."""
    row, emails = MAILCHIMP[name], few(shop)
    victim, others = emails[2], emails[:2] + emails[3:]
    before = notes(shop)

    def asked(request: httpx.Request) -> Answer:
        creates = request.method == "POST" and request.url.path.endswith("/members")
        return row.answer() if creates and json.loads(request.content)["email_address"] == victim else None

    with answering(asked) as disturbed:
        one_slice(shop)
    assert disturbed
    assert {shop.status(email) for email in others} == {"subscribed"}, "invariant 7"
    assert row.cause in CAUSES
    change = shop.change(victim)
    match row.end:
        case "explained":
            assert len(disturbed) == 1
            assert change is None
            assert (shop.last(victim)["result"], shop.last(victim)["cause"]) == ("skipped", row.cause)
            return
        case "parked":
            assert len(disturbed) == 1
            assert change is not None
            assert (change["state"], change["cause"]) == ("parked", row.cause)
            assert (shop.last(victim)["result"], shop.last(victim)["cause"]) == ("failed", row.cause)
            assert shop.person(victim)["result"] == "failed"
            with shop.stage.database.transaction() as tx:
                assert stops.retry(tx, shop.stage.shop_id, keys=[victim]) == 1
        case "again":
            assert change is not None
            assert (change["state"], change["cause"], change["attempts"]) == ("waiting", row.cause, 1)
        case "tomorrow":
            assert change is not None
            assert (change["state"], change["cause"], change["attempts"]) == ("waiting", row.cause, 1)
            assert timedelta(hours=23) < change["due_at"] - datetime.now(UTC) < timedelta(hours=25)
            assert (shop.last(victim)["result"], shop.last(victim)["cause"]) == ("failed", row.cause)
        case "throttled":
            assert open_until(shop) == (True, row.cause)
            assert change is not None
            assert (change["state"], change["cause"], change["attempts"]) == ("waiting", row.cause, 0)
        case "paused":
            assert connection_state(shop) == ("gone" if name.startswith("404") else "revoked")
            assert notes(shop)[len(before) :] == [row.cause]
            assert change is not None
            assert change["state"] == "waiting"
            shop.stage.sandbox.control("calls/reset")
            one_slice(shop)
            assert shop.stage.sandbox.calls()["mailchimp"] == {}
            shop.reconnect()
    shop.stage.live()
    assert shop.sides(victim) == ("SUBSCRIBED", "subscribed")
    assert shop.change(victim) is None
    assert shop.quiet(*emails)


def test_the_contact_goes_between_reading_and_writing(shop: Ground) -> None:
    """404 of a member: nobody's failure; looked at again, and not made anew (M4)."""
    email = shop.pair("SUBSCRIBED")
    shop.customer(email, firstName="Late")
    shop.stage.mark(email)

    def asked(request: httpx.Request) -> Answer:
        if request.method != "PATCH":
            return None
        shop.stage.sandbox.edit("mailchimp", email, forget=True)
        return problem(404, "Resource Not Found")

    with answering(asked) as disturbed:
        one_slice(shop)
    assert len(disturbed) == 1
    shop.stage.live()
    assert shop.sides(email) == ("SUBSCRIBED", None)
    assert shop.person(email)["deleted"]
    assert shop.change(email) is None


# the same where the sandbox does it: carried out and the answer lost, cut short, slow
LOST = ["429", "500", "503", "502html", "403bare", "html200", "reset", "reset_after", "truncated", "timeout_after"]
ROUTES = {
    "read": "GET /lists/{list_id}/members/{subscriber_hash}",
    "create": "POST /lists/{list_id}/members",
    "write": "PUT /lists/{list_id}/members/{subscriber_hash}",
    "tags": "POST /lists/{list_id}/members/{subscriber_hash}/tags",
}


@pytest.mark.parametrize("where", ROUTES)
@pytest.mark.parametrize("kind", LOST)
def test_mailchimp_is_disturbed(shop: Ground, monkeypatch: pytest.MonkeyPatch, kind: str, where: str) -> None:
    """Each call of a look, each way of failing: tried again until it is right, written once."""
    monkeypatch.setattr(verdicts, "backoff", lambda _: 0.0)
    monkeypatch.setattr(mailchimp_client, "QUICK", httpx.Timeout(0.6))
    emails = [new_email("mc") for _ in range(3)]
    if where != "create":  # they are there, and opt in now with a tag more
        for email in emails:
            shop.customer(email)
        shop.look(*emails)
    for email in emails:
        shop.chosen(email, "SUBSCRIBED", tags=["vip"])
    shop.stage.mark(*emails)
    rule = {"platform": "mailchimp", "route": ROUTES[where], "kind": kind, "rate": 1, "times": 2, "seconds": 1.0}
    with shop.writes() as written:
        shop.stage.sandbox.faults(rule)
        shop.stage.live()
        assert shop.stage.sandbox.fired() == 2
    shop.stage.sandbox.faults()
    assert {shop.sides(email) for email in emails} == {("SUBSCRIBED", "subscribed")}
    assert {tuple(shop.contact_row(email)["tags"]) for email in emails} == {("Shopify", "vip")}
    consents = [line["key"] for line in written if line["kind"] == "consent"]
    assert sorted(consents) == sorted(emails)
    assert connection_state(shop) == "connected"
    assert shop.quiet(*emails)


def test_the_audience_is_gone(shop: Ground) -> None:
    """404 of the audience: everything waits, the merchant is told once, and nobody is taken for deleted (M4)."""
    emails = [shop.pair("SUBSCRIBED") for _ in range(3)]
    audience = shop.stage.rows("select audience_id from connections")[0]["audience_id"]
    before = notes(shop)

    def asked(request: httpx.Request) -> Answer:
        return problem(404, "Resource Not Found") if f"/lists/{audience}" in request.url.path else None

    shop.stage.mark(*emails)
    with answering(asked):
        one_slice(shop)
    assert [shop.person(email)["deleted"] for email in emails] == [False] * 3
    assert connection_state(shop) == "gone"
    assert notes(shop)[len(before) :] == ["mc_audience_gone"]
    assert [shop.change(email)["state"] for email in emails] == ["waiting"] * 3
    shop.reconnect()
    shop.stage.live()
    assert {shop.sides(email) for email in emails} == {("SUBSCRIBED", "subscribed")}


# ------------------------------------------------------------------ Shopify, a document for all five

CONSENTS = "CustomerEmailMarketingConsentUpdates"


def graphql(code: str, message: str = "No", **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"errors": [{"message": message, "extensions": {"code": code}}], **more})


COST = {
    "cost": {
        "requestedQueryCost": 55,
        "actualQueryCost": None,
        "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 5, "restoreRate": 100.0},
    }
}
SHOPIFY = {
    "THROTTLED": Row(lambda: graphql("THROTTLED", "Throttled", extensions=COST), "throttled", "sh_slow_down"),
    "429": Row(lambda: httpx.Response(429, headers={"Retry-After": "4"}), "throttled", "sh_slow_down"),
    "ACCESS_DENIED": Row(lambda: graphql("ACCESS_DENIED", "Access denied"), "token", "sh_scope_missing"),
    "401": Row(lambda: httpx.Response(401, json={"errors": "Invalid API key"}), "token", "sh_access_revoked"),
    "402": Row(lambda: httpx.Response(402, json={"errors": "Frozen"}), "closed", "sh_shop_frozen"),
    "403": Row(lambda: httpx.Response(403, json={"errors": "Forbidden"}), "token", "sh_scope_missing"),
    "404": Row(lambda: httpx.Response(404, json={"errors": "Not Found"}), "closed", "sh_shop_gone"),
    "423": Row(lambda: httpx.Response(423, json={"errors": "Locked"}), "closed", "sh_shop_locked"),
    "INTERNAL_SERVER_ERROR": Row(lambda: graphql("INTERNAL_SERVER_ERROR"), "again", "sh_unreachable"),
    "500": Row(lambda: httpx.Response(500, text="oops"), "again", "sh_unreachable"),
    "502": Row(lambda: httpx.Response(502, html="<html></html>"), "again", "sh_unreachable"),
    "503": Row(lambda: httpx.Response(503), "again", "sh_unreachable"),
    "200 html": Row(lambda: httpx.Response(200, html="<html></html>"), "again", "sh_unreachable"),
    "no data": Row(lambda: httpx.Response(200, json={"data": None}), "again", "sh_unreachable"),
    "time-out": Row(lambda: httpx.ReadTimeout("too slow"), "again", "sh_unreachable"),
    "reset": Row(lambda: httpx.RemoteProtocolError("reset"), "again", "sh_unreachable"),
}


def operation(request: httpx.Request) -> dict[str, Any]:
    return json.loads(request.content) if request.url.path.endswith("/graphql.json") else {"operationName": None}


def leaving(shop: Ground) -> list[str]:
    """Five people who opted out in Mailchimp, about to be carried to Shopify."""
    emails = [shop.pair("SUBSCRIBED") for _ in range(5)]
    for email in emails:
        shop.contact(email, "unsubscribed")
    shop.stage.mark(*emails, source="mailchimp")
    return emails


@pytest.mark.parametrize("name", SHOPIFY)
def test_shopify_answers_a_write_with(shop: Ground, name: str) -> None:
    """Shopify.md sections 2.3 and 5: an opt-out is never lost, whatever Shopify answers to its write."""
    row, emails, before = SHOPIFY[name], leaving(shop), notes(shop)

    def asked(request: httpx.Request) -> Answer:
        return row.answer() if operation(request)["operationName"] == CONSENTS else None

    with answering(asked) as disturbed:
        one_slice(shop)
    assert disturbed
    assert row.cause in CAUSES
    found = [shop.change(email) for email in emails]
    assert all(change and change["state"] == "waiting" for change in found)
    assert {change["cause"] for change in found if change} == {row.cause}
    match row.end:
        case "again":
            assert {change["attempts"] for change in found if change} == {1}
        case "throttled":
            assert open_until(shop) == (True, row.cause)
            assert {change["attempts"] for change in found if change} == {0}
        case "closed":
            assert open_until(shop) == (True, row.cause)
            assert notes(shop)[len(before) :] == [row.cause]
            assert connection_state(shop) == "connected"  # Mailchimp's is well
        case "token":
            assert notes(shop)[len(before) :] == [row.cause]
            one_slice(shop)
            assert all(shop.change(email) for email in emails)
            shop.reconnect()
    shop.stage.live()
    assert {shop.sides(email) for email in emails} == {("UNSUBSCRIBED", "unsubscribed")}
    assert shop.quiet(*emails)


@pytest.mark.parametrize("most", [1, 2])
def test_shopify_refuses_a_document_as_a_whole(shop: Ground, most: int) -> None:
    """MAX_COST_EXCEEDED: halved until Shopify takes it; everybody is written."""
    emails = leaving(shop)

    def asked(request: httpx.Request) -> Answer:
        sent = operation(request)
        many = sent["operationName"] == CONSENTS and len(sent["variables"]) > most
        return graphql("MAX_COST_EXCEEDED", "Query cost is 2000") if many else None

    with answering(asked):
        one_slice(shop)
    assert {shop.sides(email) for email in emails} == {("UNSUBSCRIBED", "unsubscribed")}
    assert [shop.change(email) for email in emails] == [None] * 5


@pytest.mark.parametrize("kind", ["top-level", "userErrors"])
def test_shopify_refuses_one_customer(shop: Ground, kind: str) -> None:
    """Invariant 7: one is parked with Shopify's words, four are written; a retry finishes the fifth."""
    emails = leaving(shop)
    victim, others = emails[1], [emails[0], *emails[2:]]
    culprit = gid(shop.person(victim)["customer_id"])
    refusal = {"field": ["input"], "message": "Something is off", "code": "INVALID"}

    def asked(request: httpx.Request) -> Answer:
        sent = operation(request)
        if sent["operationName"] != CONSENTS:
            return None
        ids = [each["customerId"] for each in sent["variables"].values()]
        if culprit not in ids:
            return None
        if kind == "top-level" or len(ids) > 1:
            return graphql("INVALID", "Something is off")
        return httpx.Response(200, json={"data": {"c0": {"customer": None, "userErrors": [refusal]}}})

    with answering(asked):
        one_slice(shop)
    assert {shop.sides(email) for email in others} == {("UNSUBSCRIBED", "unsubscribed")}
    change = shop.change(victim)
    assert change is not None
    assert (change["state"], change["cause"]) == ("parked", "sh_rejected")
    assert "Something is off" in change["detail"]
    with shop.stage.database.transaction() as tx:
        stops.retry(tx, shop.stage.shop_id, cause="sh_rejected")
    shop.stage.live()
    assert shop.sides(victim) == ("UNSUBSCRIBED", "unsubscribed")


@pytest.mark.parametrize("route", ["CustomersById", "CustomersByEmail", CONSENTS])
@pytest.mark.parametrize("kind", ["429", "500", "503", "html200", "reset", "reset_after", "truncated", "timeout_after"])
def test_shopify_is_disturbed(shop: Ground, monkeypatch: pytest.MonkeyPatch, kind: str, route: str) -> None:
    """Each document of a look, each way of failing: tried again until it is right, no opt-out lost."""
    monkeypatch.setattr(verdicts, "backoff", lambda _: 0.0)
    monkeypatch.setattr(shopify_client, "TIMEOUT", httpx.Timeout(0.6))
    emails = leaving(shop)
    new = new_email("new")
    shop.chosen(new, "SUBSCRIBED")
    shop.stage.mark(new)
    rule = {"platform": "shopify", "route": route, "kind": kind, "rate": 1, "times": 2, "seconds": 1.0}
    shop.stage.sandbox.faults(rule)
    shop.stage.live()
    done = kind.endswith("_after") or kind == "truncated"  # then the second look finds it written
    assert shop.stage.sandbox.fired() == (1 if done and route == CONSENTS else 2)
    assert {shop.sides(email) for email in emails} == {("UNSUBSCRIBED", "unsubscribed")}
    assert shop.sides(new) == ("SUBSCRIBED", "subscribed")
    assert shop.quiet(*emails, new)


def test_a_crash_of_our_own_harms_one(shop: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 7: the others of the slice are finished; the culprit is parked for us after some tries, not lost."""
    from shopchimp.domain import looking

    emails = few(shop)
    victim, whole = emails[0], looking._consent

    def crash(person: Any, *rest: Any) -> Any:
        if person.key == victim:
            raise RuntimeError("a bug")
        return whole(person, *rest)

    monkeypatch.setattr(looking, "_consent", crash)
    one_slice(shop)
    assert {shop.status(email) for email in emails[1:]} == {"subscribed"}
    change = shop.change(victim)
    assert change is not None
    shop.stage.live()
    change = shop.change(victim)
    assert change is not None
    assert (change["state"], change["cause"]) == ("parked", "internal")
    monkeypatch.undo()
    with shop.stage.database.transaction() as tx:
        stops.retry(tx, shop.stage.shop_id, keys=[victim])
    shop.stage.live()
    assert shop.status(victim) == "subscribed"
