"""Random lives of orders, many at once, end with Mailchimp equal to the mapping of what Shopify has in the end.

Checkouts that are left, taken up again, become orders or are deleted; orders paid now, later or never, edited,
refunded in part and whole, cancelled, shipped, deleted; products renamed, hidden, deleted, their variants too; buyers
who move to another address; webhooks lost, doubled, late and overtaken; workers killed before, between and after their
calls and commits, or standing still beyond their lease, two at once (S2, S17, S76, S92, S105; issue 4).

Everything follows from the seed but the threads' timing. `SHOPCHIMP_LIVES` sets another number of lives,
`SHOPCHIMP_LIVES_SEED` another seed.
"""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from dying_workers import Workers
from order_lives_house import STORMY, House, house

LIVES = int(os.environ.get("SHOPCHIMP_LIVES", "90"))
SEED = int(os.environ.get("SHOPCHIMP_LIVES_SEED", "11"))
A_SECOND = 40  # acts
DEATHS, LONGEST = 8, 90.0  # the storm goes on until so many workers died, for so many seconds at most
PATIENCE = float(os.environ.get("SHOPCHIMP_LIVES_PATIENCE", "60"))

pytestmark = [
    pytest.mark.timeout(900),
    # connections of the dead, which nobody closed
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass
class Told:
    """How a history went."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    acts: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    hooks: Counter[str] = field(default_factory=Counter)
    troubles: list[BaseException] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(new_database: Callable[[], str]) -> Iterator[Told]:
    with pytest.MonkeyPatch.context() as patch:
        began, told = time.monotonic(), Told()
        with house(new_database(), seed=SEED, patch=patch, people=60, old=LIVES // 6) as given:
            told.seconds["ready"] = time.monotonic() - began
            storm(given, told)
            told.seconds["storm"] = time.monotonic() - began
            judge = given.judge()
            told.seconds["judged"] = time.monotonic() - began
            told.wrong, told.counts, told.acts, told.struck = (
                judge.wrong,
                judge.counts,
                given.town.counts,
                given.ward.struck,
            )
            report = given.stage.sandbox.http.get("/_sandbox/webhooks").json()["shopify"]
            told.hooks.update({name: report[name] for name in ("made", "lost", "doubled", "dead")})
        gc.collect()  # connections of the dead, while nobody minds them
        for name in ("seconds", "acts", "struck", "counts", "hooks"):
            print(name, dict(getattr(told, name)))
        yield told


def storm(given: House, told: Told) -> None:
    """All lives under all mischief, then quiet."""
    town = given.town
    town.add("shopper", LIVES - LIVES // 6)
    town.add("merchant", 2)
    town.add("mover", 4)
    given.stage.sandbox.control("webhooks", platform="shopify", seed=SEED, **STORMY)
    with Workers(given.ward, given.open_runtime, given.turn, 2) as workers:
        began, acts, polled = time.monotonic(), 0, 0.0
        while given.act() or town.add("shopper", more(given, began)):
            acts += 1
            time.sleep(max(0.0, began + acts / A_SECOND - time.monotonic()))
            if time.monotonic() > polled + 2:
                given.hurry_polls()
                polled = time.monotonic()
        told.seconds["acts over"] = time.monotonic() - began
        given.settle(PATIENCE)
    told.troubles = workers.troubles


def more(given: House, began: float) -> int:
    """How many lives more: somebody has to be at work when a worker is killed."""
    return 5 if given.ward.deaths < DEATHS and time.monotonic() < began + LONGEST else 0


def test_the_storm_was_one(told: Told) -> None:
    assert told.troubles == []
    deaths = Counter({what: n for what, n in told.struck.items() if what.startswith("killed")})
    assert deaths.total() >= DEATHS, told.struck
    assert len(deaths) >= 3, told.struck
    assert told.hooks["lost"] > 0.05 * told.hooks["made"]
    assert told.hooks["doubled"] > 0.05 * told.hooks["made"]
    for what in ("cancel", "refund", "edit", "fulfil", "pay", "delete", "update"):
        assert told.acts[f"order {what}"] >= 3, told.acts
    for what in ("checkout complete", "checkout delete", "product delete", "product update", "customer edit"):
        assert told.acts[what] >= 1, told.acts


def test_mailchimp_ends_as_shopify_says(told: Told) -> None:
    assert told.counts["orders equal"] > LIVES / 3, told.counts
    assert told.counts["carts equal"] > LIVES / 20, told.counts
    summary = "\n".join(f"{wrong} ({len(which)}):\n" + "\n".join(which[:3]) for wrong, which in told.wrong.items())
    assert not told.wrong, summary
