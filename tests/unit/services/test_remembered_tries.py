"""What was about to be written is stored with the tries before it, and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shopchimp.domain.evidence import ContactConsent
from shopchimp.domain.outcomes import Intent
from shopchimp.domain.records import TRIES_KEPT, ProfileIntent
from shopchimp.domain.states import ContactStatus, CustomerState
from shopchimp.domain.steps import Intend
from shopchimp.services.remembering import _intent, intent_json


def stored_and_back(step: Intend) -> Any:
    return _intent(json.loads(json.dumps(intent_json(step))))


def test_all_tries_come_back() -> None:
    first = ProfileIntent(to_customer={"first_name": "Bea"}, tags=("VIP",))
    second = ProfileIntent(to_contact={"FNAME": "Cleo"}).after(first)
    intent = Intent(contact=ContactStatus.SUBSCRIBED)
    assert stored_and_back(Intend(intent, second)) == (intent, second)
    assert second.tries == (ProfileIntent(to_contact={"FNAME": "Cleo"}), first)


def test_what_was_seen_of_an_opt_out_comes_back_with_its_dates() -> None:
    opted_in, changed = datetime(2026, 5, 4, 12, tzinfo=UTC), datetime(2026, 5, 4, 13, tzinfo=UTC)
    dated = Intent(CustomerState.UNSUBSCRIBED, out=ContactConsent(ContactStatus.UNSUBSCRIBED, opted_in, changed))
    assert stored_and_back(Intend(dated)) == (dated, ProfileIntent())
    undated = replace(dated, out=ContactConsent(ContactStatus.UNSUBSCRIBED, None, changed))
    assert stored_and_back(Intend(undated)) == (replace(dated, out=None), ProfileIntent())


def test_the_same_try_again_is_one_and_nothing_grows_for_ever() -> None:
    tried = None
    for n in range(3 * TRIES_KEPT):
        tried = ProfileIntent(to_customer={"first_name": f"N{n}"}).after(tried)
        assert tried.after(tried) == tried
        assert ProfileIntent().after(tried).tries[1:] == tried.tries[:TRIES_KEPT]
    assert tried is not None
    assert len(tried.tries) == TRIES_KEPT + 1


def test_what_older_versions_stored_is_understood() -> None:
    _, profile = _intent({"to_contact": {"FNAME": "Ann"}})
    assert profile == ProfileIntent(to_contact={"FNAME": "Ann"})
