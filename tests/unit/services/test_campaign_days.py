"""Mailchimp's sums, told to Shopify as each day's own figures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shopchimp.db.campaigns import Kept
from shopchimp.services.customer_events.campaign_totals import noted, utc_offset, zone_of

NEW_YORK = ZoneInfo("America/New_York")
SENT = datetime(2026, 11, 18, 2, tzinfo=UTC)  # the 17th in New York


def campaign(told: dict[str, Any] | None = None, **totals: Any) -> Kept:
    given = {"sent": 100, **totals}
    return Kept("c1", "email", "News", SENT, "https://x", given, {}, None, told or {}, SENT, "read")


def at(day: int, hour: int = 15) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def test_what_is_new_belongs_to_the_day_on_which_it_happened() -> None:
    one = campaign(opens=30, unique_opens=20, last_open="2026-11-18T12:00:00+00:00", bounces=4, unsubscribed=1)
    told = noted(one, at(19), NEW_YORK)
    assert told["days"] == {
        "2026-11-17": {"sent": 100, "bounces": 4},
        "2026-11-18": {"opens": 30, "unique_opens": 20},
        "2026-11-19": {"unsubscribed": 1},
    }
    assert told["unsaid"] == ["2026-11-17", "2026-11-18", "2026-11-19"]


def test_only_the_difference_is_added_and_days_that_stay_are_not_said_again() -> None:
    """Planted: the sums told as the day's own."""
    first = noted(campaign(opens=30, last_open="2026-11-18T12:00:00+00:00"), at(18), NEW_YORK)
    first["unsaid"] = []
    later = noted(campaign(first, opens=42, last_open="2026-11-18T18:00:00+00:00"), at(18, 19), NEW_YORK)
    assert later["days"]["2026-11-18"] == {"opens": 42}
    assert later["unsaid"] == ["2026-11-18"]
    later["unsaid"] = []
    again = noted(campaign(later, opens=42, last_open="2026-11-18T18:00:00+00:00"), at(18, 20), NEW_YORK)
    assert (again["unsaid"], again["days"]) == ([], later["days"])


def test_on_a_new_day_the_last_three_are_said_again() -> None:
    told = noted(campaign(opens=30, last_open="2026-11-18T12:00:00+00:00"), at(18), NEW_YORK)
    told["unsaid"] = []
    next_day = noted(campaign(told, opens=31, last_open="2026-11-20T12:00:00+00:00"), at(20), NEW_YORK)
    assert next_day["days"]["2026-11-20"] == {"opens": 1}
    assert next_day["unsaid"] == ["2026-11-17", "2026-11-18", "2026-11-20"]
    next_day["unsaid"] = []
    same_day = noted(campaign(next_day, opens=33, last_open="2026-11-20T14:00:00+00:00"), at(20), NEW_YORK)
    assert same_day["unsaid"] == ["2026-11-20"]


def test_a_figure_that_goes_down_takes_nothing_back() -> None:
    told = noted(campaign(opens=30, last_open="2026-11-18T12:00:00+00:00"), at(18), NEW_YORK)
    told["unsaid"] = []
    less = noted(campaign(told, opens=28, last_open="2026-11-18T12:00:00+00:00"), at(18), NEW_YORK)
    assert (less["unsaid"], less["days"]["2026-11-18"]) == ([], {"opens": 30})
    assert less["total"]["opens"] == 28


def test_a_time_ahead_of_ours_is_no_day_to_come() -> None:
    told = noted(campaign(opens=1, last_open="2026-11-25T12:00:00+00:00"), at(18), NEW_YORK)
    assert told["days"]["2026-11-18"] == {"opens": 1}


def test_the_shops_distance_to_utc() -> None:
    assert utc_offset("2026-11-18", NEW_YORK) == "-05:00"
    assert utc_offset("2026-07-18", NEW_YORK) == "-04:00"
    assert utc_offset("2026-07-18", ZoneInfo("Asia/Kolkata")) == "+05:30"
    assert zone_of("Nowhere/At all") == ZoneInfo("UTC")
