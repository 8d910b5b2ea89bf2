"""The circuit breaker (M9) and the anomaly of many opt-outs (M5), end to end."""

from __future__ import annotations

import pytest
from live_ground import Ground, ago, new_email

from shopchimp.services import breaker


@pytest.fixture
def guarded(shop: Ground) -> Ground:
    """Three opt-ins an hour are usual here."""
    shop.set(breaker={"on": True, "share": 0.02, "least": 3})
    return shop


def wave(shop: Ground, many: int, *, second: bool = False) -> list[str]:
    """So many people opt in, each at a time of their own, or all at the same second (an import)."""
    emails = [new_email("wave") for _ in range(many)]
    for n, email in enumerate(emails):
        shop.chosen(email, "SUBSCRIBED", ago(days=2) if second else ago(days=3, minutes=n))
    return emails


def asked(shop: Ground) -> dict[str, int]:
    with shop.stage.database.transaction() as tx:
        return {each.cause: each.held for each in breaker.opened(tx, shop.stage.shop_id)}


def held(shop: Ground, emails: list[str]) -> list[str]:
    return [email for email in emails if (change := shop.change(email)) and change["state"] == "held"]


def test_a_wave_is_held_until_it_is_let_go(guarded: Ground) -> None:
    """M9: three go through, the others wait with a reason; let go, all are subscribed."""
    emails = wave(guarded, 8)
    guarded.look(*emails)
    waiting = held(guarded, emails)
    assert len(waiting) == 5
    assert asked(guarded) == {"many_changes": 5}
    assert {guarded.status(email) for email in waiting} == {None}
    assert guarded.person(waiting[0])["reason"] == "many_changes"
    guarded.look(*waiting)  # marked again by anything: still held
    assert held(guarded, emails) == waiting
    assert breaker.decide(guarded.stage.database, guarded.stage.shop_id, "many_changes", "let_go", by="a test") == 5
    guarded.stage.live()
    assert {guarded.status(email) for email in emails} == {"subscribed"}
    assert asked(guarded) == {}


def test_dropped_is_never_tried_again(guarded: Ground) -> None:
    """M9: dropped by the merchant: not by an edit, not by the next look; only by a new opt-in of the person."""
    emails = wave(guarded, 5)
    guarded.look(*emails)
    waiting = held(guarded, emails)
    breaker.decide(guarded.stage.database, guarded.stage.shop_id, "many_changes", "drop", by="a test")
    assert held(guarded, emails) == []
    guarded.set(breaker={"on": False})
    for email in waiting:
        guarded.customer(email, firstName="Edited")
    for _ in range(2):
        guarded.look(*waiting)
    assert {guarded.status(email) for email in waiting} == {None}
    assert {guarded.person(email)["reason"] for email in waiting} == {"dropped"}
    assert any(line["cause"] == "dropped" for line in guarded.lines(waiting[0]))
    guarded.stage.first_sync()  # nor by another complete sync
    assert {guarded.status(email) for email in waiting} == {None}
    assert {guarded.person(email)["reason"] for email in waiting} == {"dropped"}
    guarded.chosen(waiting[0], "UNSUBSCRIBED")
    guarded.look(waiting[0])
    guarded.chosen(waiting[0], "SUBSCRIBED")
    guarded.look(waiting[0])
    assert guarded.status(waiting[0]) == "subscribed"


def test_an_import_with_one_time_for_all(guarded: Ground) -> None:
    """M9: many opt-ins share one second, though there are not many in this hour by the other measure."""
    guarded.set(breaker={"on": True, "share": 1.0, "least": 3})
    emails = wave(guarded, 6, second=True)
    guarded.look(*emails)
    waiting = held(guarded, emails)
    assert len(waiting) == 3
    assert asked(guarded) == {"same_time": 3}
    assert {guarded.change(email)["cause"] for email in waiting} == {"same_time"}
    breaker.decide(guarded.stage.database, guarded.stage.shop_id, "same_time", "let_go", by="a test")
    guarded.stage.live()
    assert {guarded.status(email) for email in emails} == {"subscribed"}


def test_opt_outs_are_never_held(guarded: Ground) -> None:
    """M5, L5, L10: while opt-ins wait, whoever opts out is carried at once; many of them are shown."""
    leaving = []
    for _ in range(6):
        guarded.set(breaker={"on": False})
        leaving.append(guarded.pair("SUBSCRIBED"))
    guarded.clear()
    guarded.set(breaker={"on": True, "share": 0.02, "least": 3})
    emails = wave(guarded, 5)
    guarded.look(*emails)
    assert held(guarded, emails)
    for n, email in enumerate(leaving):
        if n % 2:
            guarded.chosen(email, "UNSUBSCRIBED")
        else:
            guarded.contact(email, "unsubscribed")
    guarded.look(*leaving)
    assert {guarded.sides(email) for email in leaving} == {("UNSUBSCRIBED", "unsubscribed")}
    assert asked(guarded).keys() == {"many_changes", "many_opt_outs"}
    notes = guarded.stage.rows("select cause from activities where kind = 'breaker'")
    assert {note["cause"] for note in notes} >= {"many_changes", "many_opt_outs"}


def test_who_is_held_and_opts_out(guarded: Ground) -> None:
    """M9, L5: the opt-in that waits is void once the person withdraws it."""
    emails = wave(guarded, 5)
    guarded.look(*emails)
    email = held(guarded, emails)[0]
    guarded.chosen(email, "UNSUBSCRIBED")
    guarded.look(email)
    assert guarded.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    assert guarded.change(email) is None
    breaker.decide(guarded.stage.database, guarded.stage.shop_id, "many_changes", "let_go", by="a test")
    guarded.stage.live()
    assert guarded.status(email) == "unsubscribed"


def test_opt_ins_from_mailchimp_are_held_too(guarded: Ground) -> None:
    """M9, F3: a wave of SUBSCRIBED writes to Shopify would start its welcome mails."""
    guarded.set(breaker={"on": False})
    emails = [guarded.pair("NOT_SUBSCRIBED") for _ in range(5)]
    guarded.clear()
    guarded.set(breaker={"on": True, "share": 0.02, "least": 3})
    for email in emails:
        guarded.contact(email, "subscribed")
    guarded.look(*emails, source="mailchimp")
    assert [guarded.state(email) for email in emails].count("SUBSCRIBED") == 3
    assert len(held(guarded, emails)) == 2
    with pytest.raises(breaker.NothingHeld):
        breaker.decide(guarded.stage.database, guarded.stage.shop_id, "same_time", "drop", by="a test")
