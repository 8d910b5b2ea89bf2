"""SMS: whether an audience may text, and a contact's consent to texts (the beta endpoints of mailchimp.md section 6).

`/lists/.../members` shows the consent but doesn't take it. What is undocumented or told in two ways there is kept
here: which word means consent, that an opt-out may be refused, and where the programme's approval can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import Any

from shopchimp.domain.errors import Gone, Rejected
from shopchimp.domain.sms import PushSms
from shopchimp.mailchimp.client import PLATFORM, MailchimpClient

SUBSCRIBE = "confirmed"  # the word that Mailchimp's own plugin sends; `consented` may text to ask for confirmation
SOURCE = "shopchimp"
_CONTACTS = "/audiences/{audience_id}/contacts"
_CONTACT = "/audiences/{audience_id}/contacts/{contact_id}"
_IN_USE = ("already belongs", "already exists", "already in use", "already a list member")


class Approval(StrEnum):
    """How far the account's SMS programme is. All but the first keep the switch off; the values are causes."""

    APPROVED = "approved"
    NONE = "sms_no_programme"
    PENDING = "sms_programme_pending"
    PAUSED = "sms_programme_paused"


@dataclass(frozen=True, slots=True)
class Programme:
    """What Mailchimp says of texting in an audience; `words` are its own, for "Technical details"."""

    approval: Approval
    words: str = ""


@dataclass(frozen=True, slots=True)
class SmsContact:
    """A contact as these endpoints say it."""

    id: str
    email: str
    phone: str
    status: str
    archived: bool


def programme(client: MailchimpClient, audience_id: str) -> Programme:
    """Whether the audience may text (S29): the documented channels decide, the programme itself says why not.

    `GET /lists/{id}/sms-program` is what Mailchimp's own plugin reads, in no specification: where it doesn't answer,
    an enabled channel is taken as approval.
    """
    route = "/audiences/{audience_id}"
    audience = client.get(f"/audiences/{audience_id}", route, {"fields": "id,enabled_channels"})
    channels = audience.get("enabled_channels")
    enabled = isinstance(channels, list) and "sms" in channels
    try:
        route = "/lists/{list_id}/sms-program"
        answer = client.get(f"/lists/{audience_id}/sms-program", route)
    except (Rejected, Gone):
        return Programme(Approval.APPROVED if enabled else Approval.NONE)
    found = [each for each in answer.get("sms_program") or () if isinstance(each, dict)]
    if enabled and (not found or any(each.get("can_send") for each in found)):
        return Programme(Approval.APPROVED)
    if not found:
        return Programme(Approval.NONE)
    words = str(found[0].get("registration_status") or "")
    approved = any(word in words.upper() for word in ("ACTIVE", "APPROVED"))
    return Programme(Approval.PAUSED if approved else Approval.PENDING, words)


def write(
    client: MailchimpClient,
    audience_id: str,
    contact_id: str | None,
    push: PushSms,
    *,
    email: str | None = None,
    quiet: bool = False,
) -> SmsContact:
    """Set a contact's consent to texts; `contact_id` None makes one, with the address where there is one.

    The consent goes with Shopify's own time. `quiet` (a backfill) starts no automation. Raises Rejected with the causes
    `sms_phone_taken`, `sms_opt_out_refused`, and `mc_ignored` where Mailchimp took it without doing it.
    """
    consent: dict[str, Any] = {"status": SUBSCRIBE if push.subscribe else "denied", "source": {"name": SOURCE}}
    if push.subscribe and push.at is not None:
        consent["captured_at"] = push.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body: dict[str, Any] = {"sms_channel": {"sms_phone": push.phone, "marketing_consent": consent}}
    params = {
        "merge_field_validation_mode": "ignore_required_checks",
        "data_mode": "historical" if quiet else "live",
    }
    try:
        if contact_id is None:
            body |= {"update_existing": True, **({"email_channel": {"email": email}} if email else {})}
            answer = client.send("POST", f"/audiences/{audience_id}/contacts", _CONTACTS, body=body, params=params)
        else:
            path = f"/audiences/{audience_id}/contacts/{contact_id}"
            answer = client.send("PATCH", path, _CONTACT, body=body, params=params)
    except Rejected as error:
        raise _explained(error, push) from None
    written = _contact(answer)
    if (written.status in ("subscribed", "pending")) is not push.subscribe:
        words = f"asked for {consent['status']}, Mailchimp says {written.status}"
        raise _explained(Rejected(PLATFORM, "mc_ignored", words), push)
    return written


def _explained(error: Rejected, push: PushSms) -> Rejected:
    """The same refusal by what it means for texts."""
    words = error.detail.lower()
    if error.code == "mc_not_found":
        return error
    if not push.subscribe:  # an old page of Mailchimp's says that `denied` isn't taken for SMS
        return Rejected(PLATFORM, "sms_opt_out_refused", error.detail, status=error.status)
    if any(part in words for part in _IN_USE):
        return Rejected(PLATFORM, "sms_phone_taken", error.detail, status=error.status)
    if "not enabled" in words:
        return Rejected(PLATFORM, "sms_no_programme", error.detail, status=error.status)
    return error


def _contact(item: dict[str, Any]) -> SmsContact:
    sms, email = item.get("sms_channel") or {}, item.get("email_channel") or {}
    return SmsContact(
        id=str(item.get("id") or ""),
        email=str(email.get("email") or ""),
        phone=str(sms.get("sms_phone") or ""),
        status=str((sms.get("effective_subscription_status") or {}).get("value") or "nonsubscribed"),
        archived=item.get("status") == "archived",
    )
