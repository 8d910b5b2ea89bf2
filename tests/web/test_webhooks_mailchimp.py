"""Mailchimp's webhooks, as they come in: whose path, signed, stored once, marked for whom they are about (S24, S26)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest
import web_house as house
import webhook_house as wh
from webhook_house import Ear, form

FIRED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def process(postgres_url: str) -> Iterator[Ear]:
    with pytest.MonkeyPatch.context() as patch, wh.listening(postgres_url, patch) as ear:
        yield ear


@pytest.fixture
def ear(process: Ear) -> Ear:
    wh.empty(process.runtime)
    process.shop = house.add_shop(process.runtime.database)
    house.connect(process.runtime, process.shop)
    return process


@pytest.fixture
def path(ear: Ear) -> str:
    return ear.hook(ear.shop)


def _body(shared, name: str) -> bytes:
    """A recorded body, of our own audience."""
    raw = shared(f"contracts/mailchimp/examples/{name}.txt").read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    return raw.replace(b"a1b2c3d4e5", b"aud1")


ANA, NEW = "ana.reyes@example.com", "ana.r@example.net"


@pytest.mark.parametrize(
    ("name", "keys", "opted_out"),
    [
        ("webhook-subscribe", {ANA}, None),
        ("webhook-unsubscribe-manual", {ANA}, datetime(2026, 11, 21, 20, 40, 57, tzinfo=UTC)),
        ("webhook-unsubscribe-abuse", {ANA}, datetime(2026, 11, 21, 20, 46, tzinfo=UTC)),
        ("webhook-unsubscribe-delete", {ANA}, None),
        ("webhook-profile", {ANA}, None),
        ("webhook-upemail", {ANA, NEW}, None),
        ("webhook-cleaned-hard", {ANA}, None),
        ("webhook-sms-subscribe", {ANA}, None),
        ("webhook-sms-unsubscribe", {ANA}, None),
        ("webhook-upsms", {ANA}, None),
        ("webhook-campaign-sent", set(), None),
        ("webhook-sms-campaign", set(), None),
        ("webhook-batch-operation-completed", set(), None),
    ],
)
def test_every_type(ear, path, shared, name, keys, opted_out):
    """The archiving of a contact is no opt-out (L9); the complaint of spam is one (L8)."""
    body = _body(shared, name)
    for _ in range(2):
        assert ear.mailchimp(path, body, "signing").status_code == 200
    changes = ear.changes()
    assert set(changes) == keys
    assert {row["version"] for row in changes.values()} <= {1}
    assert all(
        row["source"] == "mailchimp" and row["opted_outs"] == (opted_out and [opted_out]) for row in changes.values()
    )
    assert ear.count("deliveries") == 1


def test_a_complaint_by_cleaning_is_an_opt_out(ear, path):
    ear.mailchimp(path, form("cleaned", email=ANA, reason="abuse"), "signing")
    assert ear.changes()[ANA]["opted_outs"] == [FIRED]


def test_every_opt_out_is_kept(ear, path):
    """L1: the later of two may be our own unsubscribe, told like anybody's; the person's was the other one."""
    for minute in ("30", "10"):
        body = form("unsubscribe", fired_at=f"2026-11-22 08:{minute}:00", action="unsub", email=ANA)
        ear.mailchimp(path, body, "signing")
    ear.mailchimp(path, form("subscribe", email=ANA), "signing")
    change = ear.changes()[ANA]
    assert change["opted_outs"] == [datetime(2026, 11, 22, 8, minute, tzinfo=UTC) for minute in (30, 10)]
    assert change["version"] == 3


def test_a_time_ahead_of_ours_doesnt_outlive_every_later_opt_in(ear, path):
    ear.mailchimp(path, form("unsubscribe", fired_at="2031-01-01 00:00:00", action="unsub", email=ANA), "signing")
    ear.mailchimp(path, form("unsubscribe", fired_at="no time", action="unsub", email=NEW), "signing")
    assert all(row["opted_outs"][0] <= datetime.now(UTC) for row in ear.changes().values())


def test_two_acts_in_one_second_are_both_seen(ear, path):
    ear.mailchimp(path, form("profile", id="1", email=ANA, merges__FNAME="Ana"), "signing")
    ear.mailchimp(path, form("profile", id="1", email=ANA, merges__FNAME="Anna"), "signing")
    assert ear.changes()[ANA]["version"] == 2


def test_a_phone_alone_makes_the_poll_due(ear, path):
    query = "insert into chores (shop_id, name, due_at) values (:shop, 'poll_contacts', now() + interval '5 minutes')"
    ear.run(query, shop=ear.shop)
    ear.mailchimp(path, form("sms_unsubscribe", id="1", sms_phone_number="+14045550142"), "signing")
    assert ear.rows("select due_at <= now() as due from chores") == [{"due": True}]
    assert ear.changes() == {}


@pytest.mark.parametrize(
    "body",
    [
        form("profile", email=ANA, list_id="another"),
        form("unsubscribe", email="x1@forgotten.mailchimp.com", action="delete"),
        form("invented", email=ANA),
    ],
)
def test_what_is_none_of_ours_is_taken_and_dropped(ear, path, body):
    assert ear.mailchimp(path, body, "signing").status_code == 200
    assert (ear.count("deliveries"), ear.count("changes")) == (0, 0)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=1,v1=",
        "v1=abc",
        "t=NaN,v1=abc",
        "t=1",
        wh.mailchimp_signature(b"another body", "signing"),
        wh.mailchimp_signature(form("profile", email=ANA), "another"),
        wh.mailchimp_signature(form("profile", email=ANA), "signing", at=time.time() - 400),
        wh.mailchimp_signature(form("profile", email=ANA), "signing", at=time.time() + 100_000),
        wh.mailchimp_signature(form("profile", email=ANA), "signing") + ",t=1",
        wh.mailchimp_signature(form("profile", email=ANA), "signing").replace("v1", "v0"),
        "é" * 10,
        "," * 20_000,
    ],
    ids=count(),  # the signatures hold the time: every worker of the test run names them alike
)
def test_a_wrong_signature_stores_nothing(ear, path, header):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if header is not None:
        headers["X-Mailchimp-Signature"] = header.encode("latin-1")
    answer = ear.client.post(f"/webhooks/mailchimp/{path}", content=form("profile", email=ANA), headers=headers)
    assert answer.status_code == 401
    assert (ear.count("deliveries"), ear.count("changes")) == (0, 0)


def test_several_signatures_while_a_secret_rotates(ear, path):
    body = form("profile", email=ANA)
    signature = wh.mailchimp_signature(body, "signing").replace("v1=", f"v1={'0' * 64},v1=")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Mailchimp-Signature": signature}
    assert ear.client.post(f"/webhooks/mailchimp/{path}", content=body, headers=headers).status_code == 200


def test_an_unsigned_hook_is_proven_by_its_path(ear):
    assert ear.mailchimp(ear.hook(ear.shop, secret=None), form("profile", email=ANA)).status_code == 200
    assert set(ear.changes()) == {ANA}


def test_two_shops_secrets_crossed(ear, path):
    other = house.add_shop(ear.runtime.database, house.OTHER_SHOP)
    house.connect(ear.runtime, other)
    theirs = ear.hook(other, secret="theirs")
    body = form("profile", email=ANA)
    assert ear.mailchimp(path, body, "theirs").status_code == 401
    assert ear.mailchimp(theirs, body, "signing").status_code == 401
    assert ear.mailchimp(theirs, body, "theirs").status_code == 200
    assert ear.rows("select shop_id from changes") == [{"shop_id": other}]
    ear.run("update hooks set signing_secret = (select signing_secret from hooks where shop_id = :shop)", shop=ear.shop)
    third = ear.hook(other, secret=None)
    query = (
        "update hooks set signing_secret = (select signing_secret from hooks where shop_id = :shop) where shop_id = :o"
    )
    ear.run(query, shop=ear.shop, o=other)
    assert ear.mailchimp(third, body, "signing").status_code == 401  # a cell copied to another row opens nothing


def test_unknown_paths_and_those_left_on_purpose(ear, path):
    body = form("profile", email=ANA)
    assert ear.mailchimp("nobody", body, "signing").status_code == 404
    assert ear.mailchimp("%00" * 10, body, "signing").status_code == 404
    ear.run("update hooks set external_id = ''")  # being made: not heard yet, and not switched off either
    assert ear.mailchimp(path, body, "signing").status_code == 404
    ear.run("update hooks set external_id = 'h', retired_at = now() - interval '1 hour'")
    assert ear.mailchimp(path, body, "signing").status_code == 200
    ear.run("delete from connections")
    assert ear.mailchimp(path, form("profile", email=NEW), "signing").status_code == 410
    assert set(ear.changes()) == {ANA}


@pytest.mark.parametrize(
    "leaving",
    [
        "update shops set uninstalled_at = now()",
        "update connections set audience_id = 'another'",
        "update hooks set retired_at = now() - interval '25 hours'",
    ],
)
def test_a_hook_that_was_left_switches_itself_off(ear, path, leaving):
    ear.run(leaving)
    assert ear.mailchimp(path, form("profile", email=ANA), "signing").status_code == 410


def test_the_validator_learns_nothing(ear, path):
    for one in (path, "nobody", "a/b", "%2e%2e"):
        answer = ear.client.get(f"/webhooks/mailchimp/{one}")
        assert (answer.status_code, answer.content) == (200, b"")
        assert ear.client.head(f"/webhooks/mailchimp/{one}").status_code == 200


def test_forms_alone(ear, path):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = ear.client.post(f"/webhooks/mailchimp/{path}", content=b"--x--", headers=headers)
    assert answer.status_code == 415
    assert ear.mailchimp(path, b"x" * 1_000_001, "signing").status_code == 413


def test_a_form_of_too_many_keys_makes_the_poll_due(ear, path):
    query = "insert into chores (shop_id, name, due_at) values (:shop, 'poll_contacts', now() + interval '5 minutes')"
    ear.run(query, shop=ear.shop)
    body = b"&".join(b"k%d=1" % n for n in range(10_001))
    assert ear.mailchimp(path, body, "signing").status_code == 200
    assert ear.rows("select due_at <= now() as due from chores") == [{"due": True}]


def test_nobody_erased_is_marked(ear, path):
    vault = ear.runtime.gateways.vault
    values = {"shop": ear.shop, "digest": vault.fingerprints(ANA)[0]}
    ear.run("insert into tombstones values (:shop, :digest, now() + interval '1 day')", **values)
    ear.mailchimp(path, form("upemail", old_email=ANA, new_email=NEW), "signing")
    assert set(ear.changes()) == {NEW}
