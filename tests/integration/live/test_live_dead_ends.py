"""Nobody is held where nobody asks, and nobody is looked at again and again without a pause."""

from __future__ import annotations

from typing import Any

import pytest
from live_ground import Ground, ago, new_email

from shopchimp.db import marking
from shopchimp.domain.steps import Refused
from shopchimp.jobs import lanes
from shopchimp.services import breaker, recording
from shopchimp.services.contact_doors import ContactDoors
from shopchimp.services.live import work


def test_the_merchant_answers_while_a_look_is_on_its_way(shop: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """M9: whoever is held after the answer was given isn't forgotten: the question is asked again."""
    shop.set(breaker={"on": True, "share": 0.02, "least": 3})
    emails = [new_email("wave") for _ in range(8)]
    for n, email in enumerate(emails):
        shop.chosen(email, "SUBSCRIBED", ago(days=3, minutes=n))
    follow, answers = recording.follow, ["let_go"]

    def answered(*given: Any) -> None:
        if answers:
            breaker.decide(shop.stage.database, shop.stage.shop_id, "many_changes", answers.pop(), by="a test")
        follow(*given)

    monkeypatch.setattr(recording, "follow", answered)
    shop.look(*emails)
    assert not answers
    held = [email for email in emails if (change := shop.change(email)) and change["state"] == "held"]
    with shop.stage.database.transaction() as tx:
        asked = {each.cause: each.held for each in breaker.opened(tx, shop.stage.shop_id)}
    assert sum(asked.values()) == len(held)
    assert sum(shop.status(email) == "subscribed" for email in emails) == len(emails) - len(held)


def test_looks_that_never_agree_get_pauses(shop: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mailchimp says that there is a contact, and shows none: we don't ask a hundred times a second."""

    def exists(_: ContactDoors, writes: list[Any]) -> list[Any]:
        return [Refused("mc_contact_exists", "is already a list member")] * len(writes)

    monkeypatch.setattr(ContactDoors, "write", exists)
    email = new_email("twice")
    shop.chosen(email, "SUBSCRIBED", ago(days=1))
    shop.stage.mark(email)
    slices = lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works={marking.LIVE: work}, at_most=12)
    assert 1 < slices < 12
    shop.stage.live()
    change = shop.change(email)
    assert change is not None
    assert change["state"] == "parked"
