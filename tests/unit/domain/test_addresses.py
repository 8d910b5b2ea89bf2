"""Addresses as keys, and what is not worth asking Mailchimp about."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.domain.addresses import (
    AddressProblem,
    is_deliverable_looking,
    normalise,
    problem_of,
    subscriber_hash,
)


@pytest.mark.parametrize("written", ["ana.reyes@example.com", "Ana.Reyes@Example.COM", "  ana.reyes@example.com\n"])
def test_one_person_has_one_key(written: str) -> None:
    assert normalise(written) == "ana.reyes@example.com"


def test_the_hash_is_mailchimps() -> None:
    assert subscriber_hash(" Ana.Reyes@example.com") == hashlib.md5(b"ana.reyes@example.com").hexdigest()


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    "address",
    [
        "ana@example.com",
        "Ana.Reyes+news@mail.example.co.uk",
        "o'neil@ex-ample.org",
        "x_1-2@example.museum",
        "1@2.io",
        "!#$%&'*+/=?^`{|}~@example.com",
        "müller@example.com",
        "ana@münchen.example",
        "ana@xn--mnchen-3ya.example",
        f"{'a' * 64}@example.com",
    ],
)
def test_what_can_be_an_address(address: str) -> None:
    assert problem_of(address) is None
    assert is_deliverable_looking(address)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", AddressProblem.EMPTY),
        ("   ", AddressProblem.EMPTY),
        ("ana", AddressProblem.NO_AT),
        ("ana@@example.com", AddressProblem.NO_AT),
        ("ana@b@example.com", AddressProblem.NO_AT),
        ("ana reyes@example.com", AddressProblem.SPACE),
        ("ana\u200b@example.com", AddressProblem.SPACE),
        ("ana\x00@example.com", AddressProblem.SPACE),
        ("@example.com", AddressProblem.LOCAL_PART),
        (".ana@example.com", AddressProblem.LOCAL_PART),
        ("ana.@example.com", AddressProblem.LOCAL_PART),
        ("ana..reyes@example.com", AddressProblem.LOCAL_PART),
        ('"ana"@example.com', AddressProblem.LOCAL_PART),
        ("ana,ben@example.com", AddressProblem.LOCAL_PART),
        ("<ana>@example.com", AddressProblem.LOCAL_PART),
        ("ü(@example.com", AddressProblem.LOCAL_PART),
        ("ana@", AddressProblem.DOMAIN),
        ("ana@example", AddressProblem.DOMAIN),
        ("ana@example.", AddressProblem.DOMAIN),
        ("ana@.example.com", AddressProblem.DOMAIN),
        ("ana@example..com", AddressProblem.DOMAIN),
        ("ana@-example.com", AddressProblem.DOMAIN),
        ("ana@example-.com", AddressProblem.DOMAIN),
        ("ana@-ü.com", AddressProblem.DOMAIN),
        ("ana@[127.0.0.1]", AddressProblem.DOMAIN),
        ("ana@127.0.0.1", AddressProblem.DOMAIN),
        (f"ana@{'a' * 64}.com", AddressProblem.DOMAIN),
        (f"{'a' * 65}@example.com", AddressProblem.TOO_LONG),
        (f"{'ü' * 33}@example.com", AddressProblem.TOO_LONG),
        (f"ana@{'a.' * 130}com", AddressProblem.TOO_LONG),
    ],
)
def test_what_cannot_be_one_and_why(address: str, problem: AddressProblem) -> None:
    assert problem_of(address) is problem
    assert not is_deliverable_looking(address)
    assert problem.sentence


@given(st.text() | st.from_regex(r"[a-z.+-]{1,70}@[a-z.-]{1,70}", fullmatch=True))
def test_the_short_way_says_the_same_as_the_long_one(text: str) -> None:
    assert is_deliverable_looking(text) == (problem_of(text) is None)
