"""R9 for webhooks: whatever comes in, there is no 5xx, and no row without a valid signature."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
import web_house as house
import webhook_house as wh
from webhook_house import Ear

SEED = 20261122
ROUNDS = 1_500
TOPICS = [
    "customers/update",
    "customers/merge",
    "customer.tags_added",
    "app/uninstalled",
    "customers/redact",
    "x",
    "\xff",
]
NASTY = [
    b"null",
    b"-1",
    b"1e400",
    b'"\\ud800"',
    b'"\\u0000@x.y"',
    b"[[[[[[",
    b"{}",
    b'""',
    b"9" * 400,
    b"\x00",
    b"\xf0\x28",
]
_VALUE = re.compile(rb': ("[^"]*"|-?[0-9.]+|null|true|false|\[\]|\{\})')


@pytest.fixture
def ear(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    with wh.listening(postgres_url, monkeypatch) as ear:
        wh.empty(ear.runtime)
        ear.shop = house.add_shop(ear.runtime.database)
        house.connect(ear.runtime, ear.shop)
        yield ear


def _mutated(dice: random.Random, body: bytes) -> bytes:
    """Cut, doubled, overwritten, or with a value replaced by what no value should be."""
    at, end = sorted((dice.randrange(len(body) + 1), dice.randrange(len(body) + 1)))
    match dice.randrange(6):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + body[at:end] * 3 + body[end:]
        case 2:
            return body[:at] + dice.randbytes(3) + body[at:]
        case 3:
            return body[:at] + dice.choice(NASTY) + body[end:]
        case 4:
            value = dice.choice([*_VALUE.finditer(body)] or [None])
            return body[: value.start(1)] + dice.choice(NASTY) + body[value.end(1) :] if value else body
        case _:
            spot = body.find(b": ", at)
            return body[: spot + 2] + dice.choice(NASTY) + body[spot + 2 :] if spot > 0 else body


def test_shopify(ear, shared):
    dice = random.Random(SEED)
    bodies = [(path.stem, path.read_bytes()) for path in sorted(shared("contracts/shopify/webhooks").glob("*.json"))]
    seen: set[int] = set()
    for _ in range(ROUNDS):
        own, body = dice.choice(bodies)
        body, topic = _mutated(dice, body), dice.choice([*TOPICS, *[own] * len(TOPICS)])
        before = ear.count("deliveries") + ear.count("privacy_requests")
        if dice.random() < 0.5:
            seen.add(ear.shopify(body, topic.encode("latin-1")).status_code)
        else:
            signature = wh.shopify_mac(body, "another")
            assert ear.shopify(body, topic.encode("latin-1"), hmac_sha256=signature).status_code == 401
            assert ear.count("deliveries") + ear.count("privacy_requests") == before
    assert ear.count("deliveries") > 100
    assert {row["kind"] for row in ear.rows("select kind from changes")} == {"person", "commerce"}
    assert ear.rows("select sum(version) as n from changes")[0]["n"] > 10
    assert ear.count("checkouts") > 0
    assert seen == {200, 401}  # 401 also where a genuine body names its own shop, which isn't this one


def test_mailchimp(ear, shared):
    dice = random.Random(SEED)
    path = ear.hook(ear.shop)
    files = sorted(shared("contracts/mailchimp/examples").glob("webhook-*.txt"))
    bodies = [file.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[2] for file in files]
    bodies = [body.replace(b"a1b2c3d4e5", b"aud1") for body in bodies if body]
    for _ in range(ROUNDS):
        body = _mutated(dice, dice.choice(bodies))
        before = ear.count("deliveries")
        if dice.random() < 0.5:
            assert ear.mailchimp(path, body, "signing").status_code == 200
        else:
            assert ear.mailchimp(path, body, dice.choice(["another", ""])).status_code == 401
            assert ear.count("deliveries") == before
    assert ear.count("deliveries") > ROUNDS / 10
