"""The merchant's words are complete, and what a spreadsheet opens is text."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.db.activities import Activity
from shopchimp.db.plan_rows import PlanLine
from shopchimp.domain.rules import Rule
from shopchimp.domain.states import ContactStatus, CustomerState
from shopchimp.services import activity, people, preview, words


def test_every_state_has_a_word():
    assert set(words.CUSTOMER_STATES) == set(CustomerState)
    assert set(words.CONTACT_STATUSES) == set(ContactStatus)


def test_every_rule_of_the_first_sync_is_said_plainly():
    for rule in Rule:
        if rule.value.startswith(("initial.", "setting.M2")):
            said = words.rule_text(rule.value)
            assert not re.search(r"\b[SLMFD]\d", said), f"{rule.value} is said in our own code words: {said}"
            assert said.endswith(".")
    assert words.rule_source("initial.S8") == Rule.INITIAL_SUBSCRIBED.text
    assert words.rule_text("unheard.of") == "unheard.of"


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("anna@example.com", "a•••@example.com"),
        ("", "no email"),
        (None, "no email"),
        ('"a@b"@example.com', '"•••@example.com'),
    ],
)
def test_an_address_is_masked(email, shown):
    assert words.masked(email) == shown


def line(**values) -> PlanLine:
    fixed = dict.fromkeys(PlanLine.__dataclass_fields__)
    known = {"n": 1, "name": "", "customer_state": "absent", "contact_status": "absent", "kind": "skip", "rule": ""}
    return PlanLine(**{**fixed, **known, "conflict": False, **values})


@given(st.text(), st.text())
def test_no_cell_starts_a_formula_and_all_text_survives(name, email):
    text = preview._csv_rows([preview._cells(line(name=name, email=email))])
    cells = next(csv.reader(io.StringIO(text, newline="")), [])
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert cells[1].removeprefix("'") == name.removeprefix("'") or "\x00" in name


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ({"contact_action": "update"}, "to_mailchimp"),
        ({"to_customer": "SUBSCRIBED"}, "to_shopify"),
        ({"contact_action": "update", "to_customer": "SUBSCRIBED"}, "both"),
        ({"contact_action": "update", "skip": "no_email"}, "none"),
        ({}, "none"),
    ],
)
def test_the_direction_of_a_row(values, direction):
    assert preview.direction(line(**values)) == direction


def logged(kind: str, direction: str = "none", **detail) -> Activity:
    return Activity(1, None, None, None, kind, direction, "info", None, None, detail, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (logged("contact", "to_mailchimp"), "Profile"),
        (
            logged("consent", "to_shopify", before="NOT_SUBSCRIBED", after="SUBSCRIBED"),
            "Consent: Not subscribed → Subscribed",
        ),
        (
            logged("consent", "to_mailchimp", before="absent", after="transactional"),
            "Consent: Not a contact → Non-subscribed",
        ),
        (logged("settings", by="Anna", changed={"tag": {}}), "Settings changed by Anna: tag"),
        (logged("connection", installed=True, missing_scopes=[]), "Installed in Shopify"),
        (logged("connection", connected=True, account="Acme"), "Mailchimp connected: Acme"),
        (logged("connection", connected=False, removed=["x"]), "Mailchimp disconnected"),
        (logged("connection", audience="News"), "Audience chosen: News"),
        (logged("run", started=True, policy="x"), "First sync started"),
        (logged("run", done=True, read=5), "First sync finished"),
        (logged("run"), "First sync"),
    ],
)
def test_what_a_line_is_about(entry, said):
    assert activity.what(entry) == said


def test_times_are_read_as_json_keeps_them():
    assert people._time("2026-05-03T10:04:00+00:00").hour == 10
    assert people._time("nonsense") is None
    assert people._time(None) is None
    assert str(activity.time_zone("Mars/Olympus")) == "UTC"
