"""Between a person's row and what the domain remembers of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shopchimp.db.looks import Remembered
from shopchimp.domain.consent import ContactConsent, ContactStatus, CustomerState, Known
from shopchimp.domain.outcomes import Intent
from shopchimp.domain.records import Person, ProfileIntent
from shopchimp.domain.sms import KnownSms
from shopchimp.domain.steps import Intend

_NEVER_SEEN = Known(CustomerState.ABSENT, ContactStatus.ABSENT)


def person(key: str, row: Remembered | None) -> Person:
    """What a look begins with; somebody never seen was on neither side before."""
    if row is None:
        return Person(key, _NEVER_SEEN)
    known = Known(
        CustomerState(row.customer_state),
        ContactStatus(row.contact_status),
        row.deleted,
        row.refused_at,
        row.contact_opted_at,
    )
    intent, profile = _intent(row.intent)
    return Person(
        key=key,
        known=known,
        intent=intent,
        id=row.id,
        customer_id=row.customer_id,
        reason=row.reason,
        fields=row.fields,
        intended=profile,
        tags=tuple(row.tags) if row.tags is not None else None,
        sms=KnownSms.from_json(row.sms),
        dropped=tuple(row.dropped) if row.dropped else None,
        opted_out_at=row.opted_out_at,
        our_opt_out_at=row.our_opt_out_at,
        came_back_at=row.came_back_at,
        seen_at=row.seen_at,
    )


def intent_json(step: Intend) -> dict[str, Any]:
    """An intent as it is stored."""
    profile = step.profile or ProfileIntent()
    stored = {
        "customer": step.intent.customer,
        "contact": step.intent.contact,
        "out": _out_json(step.intent.out),
        **_profile_json(profile),
        "earlier": [_profile_json(each) for each in profile.earlier],
    }
    return {name: value for name, value in stored.items() if value}


def _profile_json(profile: ProfileIntent) -> dict[str, Any]:
    stored = {"to_contact": profile.to_contact, "to_customer": profile.to_customer, "tags": list(profile.tags)}
    return {name: value for name, value in stored.items() if value}


def _intent(stored: Mapping[str, Any] | None) -> tuple[Intent | None, ProfileIntent | None]:
    if not stored:
        return None, None
    customer, contact = stored.get("customer"), stored.get("contact")
    intent = Intent(
        CustomerState(customer) if customer else None,
        ContactStatus(contact) if contact else None,
        _out(stored.get("out")),
    )
    earlier = tuple(_profile(each) for each in stored.get("earlier") or ())
    return intent, replace(_profile(stored), earlier=earlier)


def _out_json(contact: ContactConsent | None) -> dict[str, str]:
    if contact is None or contact.opted_in_at is None or contact.changed_at is None:
        return {}  # such a one dates nothing
    return {"opted_in_at": contact.opted_in_at.isoformat(), "changed_at": contact.changed_at.isoformat()}


def _out(stored: Mapping[str, str] | None) -> ContactConsent | None:
    if not stored:
        return None
    opted_in_at, changed_at = (datetime.fromisoformat(stored[name]) for name in ("opted_in_at", "changed_at"))
    return ContactConsent(ContactStatus.UNSUBSCRIBED, opted_in_at, changed_at)


def _profile(stored: Mapping[str, Any]) -> ProfileIntent:
    return ProfileIntent(
        stored.get("to_contact") or {}, stored.get("to_customer") or {}, tuple(stored.get("tags") or ())
    )
