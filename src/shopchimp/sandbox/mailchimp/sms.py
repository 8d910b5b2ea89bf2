"""A contact's SMS consent, and what a new word about it makes of the old (mailchimp.md section 6, BETA)."""

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

E164: Final = re.compile(r"\+[1-9]\d{6,14}")
CONSENTS: Final = ("consented", "confirmed", "denied", "unknown")
SMS_STATUSES: Final = ("subscribed", "unsubscribed", "nonsubscribed", "pending")
PROGRAMMES: Final = ("approved", "pending", "none", "404")


@dataclass(frozen=True, slots=True)
class Sms:
    phone: str
    status: str = "nonsubscribed"
    consent: str = "unknown"
    captured_at: int = 0  # of the last choice, a denial's too: what an older date is measured against
    captured_given: bool = False  # by the caller, so it is not this server's clock
    updated_at: int = 0
    source: str = ""


def phone_digest(phone: str) -> str:
    return sha256(phone.encode()).hexdigest()


def with_phone(stored: Sms | None, phone: str, now: int) -> Sms:
    """The channel with this number. That consent stays when the number changes is UNVERIFIED."""
    if stored is None:
        return Sms(phone, updated_at=now)
    return stored if phone == stored.phone else replace(stored, phone=phone, updated_at=now)


def with_consent(
    stored: Sms, consent: str, *, captured_at: int | None, source: str, now: int, double_optin: bool = False
) -> Sms:
    """The channel after a word about consent.

    `confirmed` subscribes at once; `consented` waits for the answer to a text where the programme is double opt-in (F's
    table; the field texts of E and T say otherwise: UNVERIFIED). A `captured_at` that is not newer than the stored one
    is ignored (T), the status counts all the same. `unknown` takes a consent away, which is why Mailchimp's plugin is
    careful not to send it (W AC8), but undoes no denial: both UNVERIFIED.
    """
    if consent == "unknown" and stored.consent == "denied":
        return stored
    status = {"confirmed": "subscribed", "denied": "unsubscribed", "unknown": "nonsubscribed"}.get(
        consent, "pending" if double_optin else "subscribed"
    )
    same = (consent, status) == (stored.consent, stored.status)
    newer = captured_at is not None and captured_at > stored.captured_at
    if same and not newer:
        return stored
    given = newer or (same and stored.captured_given)
    at = captured_at if newer and captured_at is not None else stored.captured_at if captured_at is not None else now
    if consent == "unknown":
        at, given = stored.captured_at, stored.captured_given
    return replace(
        stored, status=status, consent=consent, captured_at=at, captured_given=given, updated_at=now, source=source
    )
