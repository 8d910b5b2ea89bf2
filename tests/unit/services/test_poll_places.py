"""Where a poll goes on (R12): by their clock alone, however far it is from ours, and however the pages fall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.mailchimp import members
from shopchimp.mailchimp.members import Member, parse
from shopchimp.services.polls import OVERLAP, SLACK, Place

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # an hour before clocks go back in Europe: nobody cares
FIVE = timedelta(minutes=5)


def contact(n: int, at: datetime) -> Member:
    return Member(f"p{n}@example.com", f"c{n}", "subscribed", None, at.replace(microsecond=0), {})


class Audience:
    """Contacts in the order of their last change; each is seen only some time after it was stamped."""

    def __init__(self, changes: list[tuple[Member, datetime]], *, inclusive: bool) -> None:
        self.changes, self.now, self.reads, self.inclusive = changes, NOW, 0, inclusive

    def changed_since(
        self, _: object, __: str, since: datetime, *, offset: int, status: str | None, consent_only: bool
    ) -> list[Member]:
        assert status is None
        assert not consent_only
        since = since.replace(microsecond=0)
        self.reads += 1
        found = [
            member
            for member, visible in self.changes
            if visible <= self.now
            and member.changed_at
            and (member.changed_at > since or (self.inclusive and member.changed_at == since))
        ]
        return sorted(found, key=lambda member: (str(member.changed_at), member.email))[offset : offset + members.PAGE]


@settings(max_examples=200, deadline=None)
@given(
    skew=st.integers(-600, 600),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 110)), max_size=40),
    inclusive=st.booleans(),
)
def test_no_change_is_missed_whatever_their_clock_says(
    skew: int, changes: list[tuple[int, int]], inclusive: bool
) -> None:
    stamped = [
        (contact(n, NOW + timedelta(seconds=after + skew)), NOW + timedelta(seconds=after + late))
        for n, (after, late) in enumerate(changes)
    ]
    audience, place, seen = Audience(stamped, inclusive=inclusive), Place(NOW, rough=True), set()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(members, "changed_since", audience.changed_since)
        patched.setattr(members, "PAGE", 3)
        for _ in range(14):
            audience.now += FIVE
            for page in members.all_changed_since(None, "a", place.since):  # type: ignore[arg-type]
                for member in page:
                    seen.add(member.email)
                    place.saw(member.changed_at)
            place.end()
            place = Place(place.newest, place.rough, place.quiet)
    assert seen == {member.email for member, _ in stamped}


def test_after_a_quiet_poll_the_end_of_a_first_sync_is_not_read_again() -> None:
    place = Place(NOW - timedelta(hours=1), rough=True)
    assert place.since == place.newest - SLACK
    place.saw(NOW)
    place.end()
    place = Place(place.newest, place.rough, place.quiet)
    assert place.since == NOW - OVERLAP
    place.saw(NOW)
    place.end()
    assert Place(place.newest, place.rough, place.quiet).since == NOW


def test_an_impossible_time_does_not_blind_later_polls() -> None:
    place = Place(NOW, limit=NOW + timedelta(days=1))
    place.saw(NOW + timedelta(days=400))
    assert place.newest == NOW
    place.saw(NOW + timedelta(minutes=10))
    assert place.newest == NOW + timedelta(minutes=10)


def test_their_clock_behind_ours_is_believed_from_the_first_change_on() -> None:
    place = Place(NOW, rough=True)
    place.saw(NOW - timedelta(minutes=8))
    assert (place.newest, place.rough) == (NOW - timedelta(minutes=8), False)
    place = Place(NOW, rough=True)
    place.end()
    assert place.since == NOW - SLACK  # nothing seen yet: as before


@pytest.mark.parametrize("text", ["2026-10-25T00:30:00", "2026-10-25T00:30:00+00:00", "2026-10-25T02:30:00+02:00"])
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    item: dict[str, Any] = {"email_address": "a@example.com", "last_changed": text}
    assert parse(item).changed_at == NOW
