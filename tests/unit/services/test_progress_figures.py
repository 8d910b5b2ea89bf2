"""Progress without a database: honest time left, phases, percent, and sums that close."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.db.run_reports import SideProgress
from shopchimp.db.sync_runs import Run
from shopchimp.services import progress
from shopchimp.services.sync_runs import PHASES, RunState
from shopchimp.services.words import KINDS, PHASE_TITLES, RUN_STATES

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def run(state: str = "running", *, age: float = 300, phase: str = "contacts", **values) -> Run:
    fixed = {
        "id": uuid4(),
        "shop_id": 1,
        "audience_id": "a",
        "state": state,
        "phase": phase,
        "created_at": NOW,
        "started_at": NOW - timedelta(seconds=age) if state not in {"preparing", "ready", "expired"} else None,
        "finished_at": None,
        "expires_at": None,
        "policy": "mailchimp_wins",
        "options": {},
        "cursor": {},
        "counts": {},
        "timings": {},
        "calls": {},
        "due_at": None,
        "token": None,
        "attempts": 0,
        "trouble": None,
    }
    return Run(**{**fixed, **values})


def measured(a_run: Run, done: int, total: int, recent: int):
    sides = {"contact": SideProgress("contact", done, total, recent)} if total else {}
    return progress.measure(a_run, sides, [], now=NOW)


def test_the_rate_is_that_of_the_last_two_minutes():
    found = measured(run(age=3600), done=5000, total=10_000, recent=1200)
    assert found.rate == 10
    assert found.seconds_left == 500


def test_a_young_run_is_measured_over_its_own_age():
    assert measured(run(age=40), done=400, total=1000, recent=400).rate == 10


@pytest.mark.parametrize(
    ("age", "done", "recent", "state"),
    [
        (29, 49, 49, "running"),  # neither 30 seconds nor 5 %
        (300, 500, 0, "running"),  # nothing moved lately
        (300, 500, 500, "paused"),
        (300, 0, 0, "running"),
    ],
)
def test_no_time_left_is_made_up(age, done, recent, state):
    found = measured(run(state, age=age), done=done, total=1000, recent=recent)
    assert found.seconds_left is None
    assert progress.spoken(found.seconds_left) == "Estimating…"


@pytest.mark.parametrize(("age", "done"), [(31, 1), (5, 50)])
def test_a_time_is_said_after_thirty_seconds_or_a_twentieth(age, done):
    assert measured(run(age=age), done=done, total=1000, recent=done).seconds_left is not None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute left"),
        (59, "less than a minute left"),
        (61, "about a minute left"),
        (12.2 * 60, "about 12 minutes left"),
        (33 * 60, "about 35 minutes left"),
        (60 * 60, "about an hour left"),
        (170 * 60, "about 3 hours left"),
        (9 * 3600, "many hours left"),
    ],
)
def test_the_time_left_is_a_rounded_word(seconds, words):
    assert progress.spoken(seconds) == words


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_shown_time_rises_only_by_much_and_with_a_reason(new, shown):
    left, explained = progress.steadied(new, shown)
    assert left is not None
    assert left <= shown or (explained and left > shown * 1.2)
    assert not explained or left == new


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_percent_is_100_only_at_the_end(done, total):
    done = min(done, total)
    assert 0 <= measured(run(), done, total, 0).percent <= 99
    assert measured(run("done"), done, total, 0).percent == 100


@pytest.mark.parametrize(
    ("state", "phase", "counts", "states"),
    [
        ("preparing", "read_contacts", {}, "active waiting waiting waiting waiting"),
        ("preparing", "read_customers", {}, "done active waiting waiting waiting"),
        ("preparing", "plan", {}, "done done active waiting waiting"),
        ("ready", "contacts", {"contact_writes": 5, "consent_writes": 0}, "done done done waiting waiting"),
        ("running", "contacts", {"contact_writes": 9, "consent_writes": 0}, "done done done active done"),
        ("paused", "contacts", {"contact_writes": 9, "consent_writes": 2}, "done done done active active"),
        ("done", "done", {}, "done done done done done"),
        ("cancelled", "contacts", {"contact_writes": 9, "consent_writes": 2}, "done done done waiting waiting"),
    ],
)
def test_phases_go_on_in_order(state, phase, counts, states):
    side = {"contact": SideProgress("contact", 4, 9, 0)} if state in {"running", "paused", "cancelled"} else {}
    found = progress.measure(run(state, phase=phase, counts=counts), side, [], now=NOW)
    assert [one.state for one in found.phases[:5]] == states.split()
    assert {one.state for one in found.phases[5:-1]} <= {"waiting", "done"}
    assert (found.phases[-1].name, found.phases[-1].state) == ("live", "done" if state == "done" else "waiting")


def test_reading_is_counted_by_pages_and_never_beyond_the_total():
    counts = {"contacts_total": 2500, "contacts_total_archived": 10}
    reading = run("preparing", phase="read_contacts", counts=counts, cursor={"pages": {"": [0, 1000], "archived": []}})
    assert (measured(reading, 0, 0, 0).phases[0].done, measured(reading, 0, 0, 0).phases[0].total) == (2000, 2510)
    every = run("preparing", counts=counts, cursor={"pages": {"": [0, 1000, 2000], "archived": [0]}})
    assert measured(every, 0, 0, 0).phases[0].done == 2510


@given(
    st.integers(0, 50),
    st.dictionaries(st.sampled_from(["no_email", "bad_email"]), st.integers(0, 30)),
    st.integers(0, 60),
    st.booleans(),
)
def test_the_sums_close_while_it_runs(read, skip, waiting, started):
    read += sum(skip.values())
    a_run = run("running" if started else "ready", counts={"people": read, "skip": skip})
    found = progress.people(None, 1, measured(a_run, 60 - waiting, 60, 0))  # type: ignore[arg-type] # no database asked
    assert found.closes
    assert found.synced >= 0
    assert started or found.synced == 0


def test_every_phase_state_and_kind_has_its_words():
    from shopchimp.domain.planning import Kind

    assert set(PHASES) == set(PHASE_TITLES)
    assert set(RunState) == set(RUN_STATES)
    assert set(Kind) == set(KINDS)
