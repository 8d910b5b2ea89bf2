"""The truth tables of consent.md, row by row: 441 base rows and 124 rows where one side is provably newer."""

from __future__ import annotations

import csv
import os
from itertools import product
from pathlib import Path

import pytest

from shopchimp.domain.consent import ContactStatus, CustomerState, Newer, Phase, Policy, Rule, decide
from shopchimp.domain.rules import CONFIRM_IF_REFUSED, FRESH_OPT_IN

ROOT = Path(__file__).parents[3]
OWN = ROOT / "tests" / "samples" / "consent"
SHARED = ROOT.parent / "shared" / "consent"

Row = dict[str, str]
Case = tuple[Phase, CustomerState, CustomerState, ContactStatus, Newer, Policy]


def rows(name: str) -> list[Row]:
    with (OWN / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


BASE = rows("truth_table.csv")
RECENCY = rows("truth_table_recency.csv")


def name(row: Row) -> str:
    words = (
        row["phase"].split("-", maxsplit=1)[0],
        row["shopify_before"],
        row["shopify_after"],
        row["mailchimp_status"],
    )
    return "-".join((*words, *(row[more] for more in ("newer", "policy") if more in row)))


def cell(row: Row) -> tuple[Phase, CustomerState, CustomerState, ContactStatus]:
    return (
        Phase(row["phase"]),
        CustomerState(row["shopify_before"]),
        CustomerState(row["shopify_after"]),
        ContactStatus(row["mailchimp_status"]),
    )


def policies(row: Row) -> list[Policy]:
    return list(Policy) if row["policy"] == "any" else [Policy(row["policy"])]


def decided(case: Case) -> Row:
    decision = decide(*case[:4], newer=case[4], policy=case[5])
    return {
        "write_shopify": decision.write_customer or "NONE",
        "write_mailchimp": decision.write_contact or "NONE",
        "rule": decision.rule.text,
    }


def expected(row: Row) -> Row:
    return {column: row[column] for column in ("write_shopify", "write_mailchimp", "rule")}


LISTED: dict[Case, Row] = {
    (*cell(row), Newer(row["newer"]), policy): row for row in RECENCY for policy in policies(row)
}


def test_the_tables_are_complete() -> None:
    assert (len(BASE), len(RECENCY)) == (441, 124)
    assert len({cell(row) for row in BASE}) == 441


@pytest.mark.parametrize("row", BASE, ids=name)
def test_base_row(row: Row) -> None:
    """The row holds for each proof and policy that the recency table does not list."""
    unlisted = [(*cell(row), *rest) for rest in product(Newer, Policy) if (*cell(row), *rest) not in LISTED]
    assert {case: decided(case) for case in unlisted} == dict.fromkeys(unlisted, expected(row))


@pytest.mark.parametrize("row", RECENCY, ids=name)
def test_recency_row(row: Row) -> None:
    for policy in policies(row):
        assert decided((*cell(row), Newer(row["newer"]), policy)) == expected(row)


def test_decide_answers_for_every_combination() -> None:
    for case in product(Phase, CustomerState, CustomerState, ContactStatus, Newer, Policy):
        decision = decide(*case[:4], newer=case[4], policy=case[5])
        assert decision.write_customer is None or decision.write_contact is None


@pytest.mark.parametrize("table", ["truth_table.csv", "truth_table_recency.csv"])
def test_our_tables_are_those_of_the_specification(table: str) -> None:
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("../shared/consent is missing, so nobody checks our copy of the tables")
        pytest.skip("../shared/consent is not beside this checkout")
    with (SHARED / table).open(newline="", encoding="utf-8") as file:
        assert rows(table) == list(csv.DictReader(file))


def test_each_sentence_has_one_rule_id() -> None:
    """An id stands in the database for years: a changed or lost one must be noticed here."""
    lines = (OWN / "rule_ids.txt").read_text(encoding="utf-8").splitlines()
    assert [f"{rule.value}\t{rule.text}" for rule in Rule] == lines
    assert len({rule.text for rule in Rule}) == len(Rule)


def test_rules_of_the_table_and_three_of_our_own() -> None:
    texts = {row["rule"] for row in (*BASE, *RECENCY)}
    assert {rule for rule in Rule if rule.text not in texts} == {
        Rule.CONFIRM_FIRST,
        Rule.NON_SUBSCRIBED_OFF,
        Rule.REFUSED,
    }


def test_a_confirmation_follows_a_refusal_just_where_the_table_says_so() -> None:
    says_so = {rule for rule in Rule if "set pending" in rule.text}
    assert says_so == CONFIRM_IF_REFUSED
    assert says_so <= FRESH_OPT_IN
    assert not any(rule.value.startswith("initial.") for rule in FRESH_OPT_IN)
