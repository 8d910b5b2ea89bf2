"""What a poll notices of a contact, where both sides agreed on nothing yet (S75)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shopchimp.db.poll_reads import Seen
from shopchimp.mailchimp.members import Member
from shopchimp.services.polls import contact_differs

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({"LNAME": "Young"}, False),
        ({"LNAME": "Young", "FNAME": ""}, False),
        ({"LNAME": "Young", "FNAME": "Chidi"}, True),  # its webhook was lost: nobody else would ever tell
        ({"LNAME": "Young", "COMPANY": "Young & Co."}, False),  # is theirs, and stays there
        ({"LNAME": "Old"}, True),
    ],
)
def test_a_first_value_in_a_two_way_field_is_a_difference(fields: dict[str, str], differs: bool) -> None:
    """S75: a name entered in Mailchimp for somebody who had none goes to the customer."""
    known = Seen(
        "a@example.com",
        "a@example.com",
        1,
        "SUBSCRIBED",
        NOW,
        "subscribed",
        NOW,
        NOW,
        NOW,
        {"LNAME": "Young"},
        None,
        None,
    )
    member = Member("a@example.com", "c", "subscribed", NOW, NOW, fields)
    assert contact_differs(known, member, first=False, two_way=("FNAME", "LNAME")) is differs
