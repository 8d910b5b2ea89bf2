"""Polls find what no webhook told us (S13, S14, S22, S74), and after a first sync nobody but them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sweep_ground import claim, do, first_sync, marked

from shopchimp.db.session import dumps
from shopchimp.services import polls
from shopchimp.services.polls import poll_contacts, poll_customers
from stage import Stage, stage


@pytest.fixture
def played(database_url: str) -> Iterator[Stage]:
    """A shop after its first sync, polled once."""
    with stage(database_url, "--people", "120") as synced:
        first_sync(synced)
        poll(synced)
        assert marked(synced) == {}
        threading.Event().wait(1.1)  # Mailchimp's times are whole seconds: later changes are seen to be later
        yield synced


def poll(played: Stage) -> None:
    do(played, poll_customers, "poll_customers")
    do(played, poll_contacts, "poll_contacts")


def test_after_a_first_sync_nobody_is_marked(database_url: str) -> None:
    """It changed everybody in the audience, and many customers."""
    with stage(database_url, "--people", "300") as played:
        first_sync(played)
        assert played.sandbox.writes("mailchimp")
        assert played.sandbox.writes("shopify")
        for _ in range(3):
            poll(played)
            assert marked(played) == {}


def of_both_sides(played: Stage) -> list[str]:
    query = """
        select key from people where customer_state = 'SUBSCRIBED' and contact_status = 'subscribed'
        and customer_id is not null order by key
    """
    return [row["key"] for row in played.rows(query)]


def test_whoever_changed_on_either_side_is_marked_without_any_webhook(played: Stage) -> None:
    a, b, c, d, e = of_both_sides(played)[:5]
    played.sandbox.edit("shopify", a, set={"marketingState": "UNSUBSCRIBED"})
    played.sandbox.edit("shopify", "new.in.shopify@example.com", set={"marketingState": "SUBSCRIBED"})
    played.sandbox.edit("shopify", e, set={"email": "moved@example.com"})
    played.sandbox.edit("mailchimp", b, set={"status": "unsubscribed"})
    played.sandbox.edit("mailchimp", c, archive=True)
    played.sandbox.edit("mailchimp", d, set={"merge_fields": {"FNAME": "Other"}})
    played.sandbox.edit("mailchimp", "new.in.mailchimp@example.com")
    poll(played)
    found = marked(played)
    assert set(found) == {a, b, c, d, "moved@example.com", "new.in.shopify@example.com", "new.in.mailchimp@example.com"}
    assert {row["source"] for row in found.values()} == {"poll"}
    assert found["moved@example.com"]["customer_id"] is not None
    assert found[a]["event_at"] is not None


def test_what_was_archived_or_deleted_since_stays_found(played: Stage) -> None:
    """Archived contacts are left out of the plain listing; deleted ones are in none, and break nothing."""
    gone, archived = of_both_sides(played)[5:7]
    played.sandbox.edit("mailchimp", archived, archive=True)
    played.sandbox.edit("mailchimp", gone, forget=True)
    poll(played)
    assert set(marked(played)) == {archived}


def test_a_poll_that_dies_has_moved_its_place_only_behind_what_it_marked(
    played: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = of_both_sides(played)[7:17]
    for n, email in enumerate(changed):
        played.sandbox.edit("shopify" if n % 2 else "mailchimp", email, set=UNSUBSCRIBED[n % 2])
    for name, call in (("poll_contacts", poll_contacts), ("poll_customers", poll_customers)):
        before = claim(played, name).cursor["places"]
        with monkeypatch.context() as patched:
            patched.setattr(polls.marking, "mark", dies)
            with pytest.raises(Killed):
                do(played, call, name)
        assert claim(played, name).cursor["places"] == before
        with monkeypatch.context() as patched:
            patched.setattr(polls.chores, "save", dies)
            with pytest.raises(Killed):
                do(played, call, name)
        assert claim(played, name).cursor["places"] == before
    assert marked(played) == {}
    poll(played)
    assert set(marked(played)) == set(changed)


UNSUBSCRIBED = ({"status": "unsubscribed"}, {"marketingState": "UNSUBSCRIBED"})


class Killed(BaseException):
    pass


def dies(*_: object, **__: object) -> None:
    raise Killed


def test_who_lost_the_lease_marks_nobody_and_moves_no_place(played: Stage) -> None:
    played.sandbox.edit("shopify", of_both_sides(played)[0], set=UNSUBSCRIBED[1])
    mine = claim(played, "poll_customers")
    theirs = claim(played, "poll_customers")
    poll_customers(played.runtime.gateways, played.shop_id, mine)
    assert marked(played) == {}
    poll_customers(played.runtime.gateways, played.shop_id, theirs)
    assert len(marked(played)) == 1


def test_what_we_are_about_to_agree_on_is_compared_value_by_value(played: Stage) -> None:
    """S75: a tracked field that changed on either side; others, and our own echo, mark nobody."""
    a, b, c, d = of_both_sides(played)[20:24]
    for email in (a, b, c, d):
        contact = played.sandbox.state("mailchimp")[email]["merge_fields"]
        agreed = dumps({tag: contact[tag] for tag in ("FNAME", "LNAME") if contact.get(tag)})
        played.rows(
            "update people set fields = cast(:agreed as jsonb) where key = :key returning 1", agreed=agreed, key=email
        )

    def times() -> list[object]:
        return played.rows("select contact_changed_at from people where key = :key", key=b)

    before = times()
    played.sandbox.edit("mailchimp", a, set={"merge_fields": {"FNAME": "Elsewhere"}})
    played.sandbox.edit("mailchimp", b, set={"merge_fields": {"COMPANY": "Elsewhere"}})
    played.sandbox.edit("mailchimp", c, set={"vip": True})
    poll(played)
    assert set(marked(played)) == {a}
    assert times() != before  # b's moved on
