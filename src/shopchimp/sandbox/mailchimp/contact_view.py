"""A contact as `/audiences/{id}/contacts` shows it (examples/audience-contact-*.json)."""

from datetime import UTC, datetime
from typing import Any, Final

import orjson

from shopchimp.sandbox.mailchimp.audience import SMS_ARCHIVED, Audience, Member
from shopchimp.sandbox.mailchimp.sms import phone_digest

NAMES: Final = (
    "id",
    "audience_id",
    "language",
    "status",
    "email_channel",
    "sms_channel",
    "merge_fields",
    "tags",
    "source",
    "created_at",
    "last_updated_at",
)
# What a status on `/lists/.../members` is here. `cleaned` and `archived` have no value of their own: UNVERIFIED.
_EFFECTIVE: Final = {
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed",
    "cleaned": "unsubscribed",
    "pending": "pending",
}
_CONSENT: Final = {"subscribed": "confirmed", "unsubscribed": "denied", "cleaned": "denied", "pending": "consented"}


def contact(audience: Audience, member: Member) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": member.contact_id.upper(),
        "audience_id": audience.id,
        "language": member.get("language"),
        "status": "archived" if member.status in ("archived", SMS_ARCHIVED) else "active",
    }
    if member.email:
        shown["email_channel"] = _email(member)
    if member.sms is not None:
        shown["sms_channel"] = {
            "sms_phone": member.sms.phone,
            "hashed_sms_phone": phone_digest(member.sms.phone),
            **_channel(member.sms.status, member.sms.consent, member.sms.captured_at, member.sms.source),
        }
    return shown | {
        "merge_fields": orjson.loads(member.merge),
        "tags": audience.tags_of(member),
        "source": {"name": "API"},
        "created_at": zulu(member.created_at),
        "last_updated_at": zulu(member.changed_at),
    }


def _email(member: Member) -> dict[str, Any]:
    consent = _CONSENT.get(member.status, "unknown")
    at = member.opt_at if consent == "confirmed" else 0
    channel = _channel(_EFFECTIVE.get(member.status, "nonsubscribed"), consent, at, member.get("email_consent_source"))
    return {"email": member.email, "hashed_email": member.digest.hex(), **channel}


def _channel(effective: str, consent: str, captured_at: int, source: str) -> dict[str, Any]:
    """`captured_at` goes with `confirmed` only."""
    given: dict[str, Any] = {"status": consent}
    if captured_at and consent == "confirmed":
        given["captured_at"] = zulu(captured_at)
    return {
        "effective_subscription_status": {"value": effective},
        "marketing_consent": {**given, "source": {"name": source or "API"}},
        "source": {"name": "API"},
    }


def zulu(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
