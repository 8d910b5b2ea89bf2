"""What others do in Mailchimp: the contact on a form of theirs, the merchant in the admin, another app.

Never the app under test. Each edit tells the webhooks at once.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account, Switches
from shopchimp.sandbox.mailchimp.announcing import Why, glimpse
from shopchimp.sandbox.mailchimp.audience import (
    COMPLIANCE,
    SMS_ONLY,
    STATUSES,
    WITHOUT_ADDRESS,
    Audience,
    Member,
    digest_of,
    digest_of_phone,
)
from shopchimp.sandbox.mailchimp.clock import asked_time
from shopchimp.sandbox.mailchimp.contact_writing import archive
from shopchimp.sandbox.mailchimp.render import durable
from shopchimp.sandbox.mailchimp.sms import E164, PROGRAMMES, SMS_STATUSES, Sms, with_consent, with_phone
from shopchimp.sandbox.mailchimp.wire import Problem
from shopchimp.sandbox.mailchimp.writing import BY_ADMIN, create, update

BY_CONTACT: Final = "None given"
BY_ABUSE: Final = "Reported as spam"
_SOURCES: Final = {"person": "user", "user": "user", "admin": "admin", "api": "api"}
_REASONS: Final = {"unsubscribed": ("manual", "abuse"), "cleaned": ("hard", "abuse")}
_CONSENT_OF: Final = {
    "subscribed": "confirmed",
    "unsubscribed": "denied",
    "pending": "consented",
    "nonsubscribed": "unknown",
}
_SWITCHES: Final = frozenset(each.name for each in fields(Switches))


def edit(account: Account, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """One edit of a contact, named by `email` or `phone` (and `audience`, by id or name; else the first).

    - `set`: status, merge_fields, tags (added), vip, email_address (a new one), timestamp_opt, language, `compliance`
      (sets that state by hand); `remove_tags`: names
    - `by`: `person` (or `user`, the default), `admin`, `api` (another app, under the rules of the API). Archiving and
      forgetting are the merchant's unless said otherwise
    - `reason`: why they left: manual or abuse with `unsubscribed`, hard or abuse with `cleaned`
    - `campaign_id`: the mail whose link they followed, or that bounced
    - `confirm`: the person follows the link of a confirmation mail
    - `sms`: `{"status": subscribed|unsubscribed (STOP)|pending|nonsubscribed, "phone"}`
    - `archive`, `forget` (delete permanently)
    - `at`: when it was, for opt-in and opt-out times; not later than now
    - `when`: only a contact with one of these statuses does it; nobody leaves an audience they are not in

    By the contact an unsubscribe is a compliance state and a subscribe ends one. An unknown address is added.
    Instead: `{"settings": {...}}` or `{"sms_programme": approved|pending|none|404}` for the whole account.
    """
    try:
        if "settings" in change:
            return _settings(account, change["settings"])
        if "sms_programme" in change:
            return _settings(account, {"sms_programme": change["sms_programme"]})
        return _edit(account, change)
    except Problem as refused:
        raise ValueError(refused.detail) from refused


def _edit(account: Account, change: Mapping[str, Any]) -> Mapping[str, Any]:
    audience = account.named(change.get("audience"))
    by = change.get("by", "admin" if change.get("archive") or change.get("forget") else "user")
    source = _SOURCES[by]
    said_at = asked_time(change.get("at"), "at")
    at = audience.now() if said_at is None else min(said_at, audience.now())
    values = dict(change.get("set", {}))
    compliance, status = values.pop("compliance", None), values.pop("status", None)
    reason = _reason(change, status)
    member = _found(audience, change)
    _only_when(change, member)
    before = glimpse(member) if member is not None else None
    status = _confirmed(member) if change.get("confirm") else _known(status)
    if member is None:
        member = _added(audience, change, values, status, source=source, at=at)
        if change.get("email") and source != "api":
            set_status(audience, member, status or "subscribed", by=source, at=at, reason=reason)
    elif source == "api":
        update(audience, member, values, status, skip_required=True)
    else:
        update(audience, member, values, None, skip_required=True)
        if status is not None:
            set_status(audience, member, status, by=source, at=at, reason=reason)
    if change.get("remove_tags"):
        member.tags = audience.with_tags(member, (), change["remove_tags"])
        audience.touch(member)
    if compliance is not None:
        member.flags = member.flags | COMPLIANCE if compliance else member.flags & ~COMPLIANCE
    if "sms" in change:
        _text(audience, member, change["sms"], at=said_at and at, phone=change.get("phone"))
    if change.get("archive"):
        archive(audience, member)
    why = Why(reason, forgotten=bool(change.get("forget")), campaign=change.get("campaign_id", ""))
    if why.forgotten:
        audience.forget(member)
    account.announce(audience, member, before, source=source, why=why)
    return {"forgotten": member.email} if why.forgotten else durable(audience, member)


def _only_when(change: Mapping[str, Any], member: Member | None) -> None:
    shown = member.status if member is not None else "absent"
    if "when" in change and shown not in change["when"]:
        raise ValueError(f"is {shown}")


def _known(status: str | None) -> str | None:
    if status is not None and status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    return status


def _found(audience: Audience, change: Mapping[str, Any]) -> Member | None:
    if change.get("email"):
        return audience.by_address(change["email"])
    return audience.by_phone(change["phone"])


def _added(
    audience: Audience, change: Mapping[str, Any], values: dict[str, Any], status: str | None, *, source: str, at: int
) -> Member:
    """In person even those may come back whom the API may not add again."""
    email = change.get("email")
    if email:
        if source != "api":
            audience.forgotten.discard(digest_of(email))
        return create(audience, {"email_address": email, **values}, status or "subscribed", skip_required=True)
    digest = digest_of_phone(change["phone"])
    audience.forgotten.discard(digest)
    member = audience.add("", SMS_ONLY, digest)
    audience.touch(member, at)
    return member


def _reason(change: Mapping[str, Any], status: str | None) -> str:
    reason: str = change.get("reason", "")
    if reason and reason not in _REASONS.get(status or "", ()):
        raise ValueError(f"{reason!r} is no reason for {status!r}")
    return reason


def _confirmed(member: Member | None) -> str:
    if member is None or member.status != "pending":
        raise ValueError("only who is pending can confirm")
    return "subscribed"


def _text(audience: Audience, member: Member, given: Mapping[str, Any], *, at: int | None, phone: str | None) -> None:
    """What the person does by phone, or the merchant in the contact's profile."""
    number = given.get("phone") or phone or (member.sms.phone if member.sms else None)
    if number is None or not E164.fullmatch(number):
        raise ValueError(f"{number!r} is no phone number in E.164 form")
    holder = audience.by_phone(number)
    if holder is not None and holder is not member:
        raise ValueError(f"{number} belongs to another contact")
    sms: Sms = with_phone(member.sms, number, audience.now())
    status = given.get("status", sms.status)
    if status not in SMS_STATUSES:
        raise ValueError(f"SMS status must be one of {', '.join(SMS_STATUSES)}")
    if status != sms.status:
        double = status == "pending"
        consent = _CONSENT_OF[status]
        sms = with_consent(sms, consent, captured_at=at, source="Mailchimp", now=audience.now(), double_optin=double)
    audience.set_sms(member, sms)
    if member.status in WITHOUT_ADDRESS:
        audience.set_address(member, "", digest_of_phone(number))
    audience.touch(member)


def set_status(
    audience: Audience, member: Member, status: str, *, by: str, at: int | None = None, reason: str = ""
) -> None:
    """Anybody but the API may set any status; who it was decides what the API may do afterwards."""
    when = audience.now() if at is None else at
    left = status != member.status
    audience.set_status(member, status)
    if status == "subscribed":
        member.opt_at = audience.last_subscribed_at = when
        member.flags &= ~COMPLIANCE
    elif status == "pending":
        member.signup_at = when
    elif status == "unsubscribed":
        themselves = by == "user" or reason == "abuse"
        audience.last_unsubscribed_at = when
        if left or themselves:
            member.put("unsubscribe_reason", BY_ABUSE if reason == "abuse" else BY_CONTACT if themselves else BY_ADMIN)
            member.put("unsubscribed_at", when)
            if themselves:
                member.flags |= COMPLIANCE
    elif status == "cleaned":
        member.flags |= COMPLIANCE
    audience.touch(member)


def _settings(account: Account, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """`double_optin` everywhere; `delete_audience` by id or name; `batch_rate` (operations a second, 0 is no limit);
    `abandoned_seconds` until a cart counts as left; the account's switches (`account.Switches`)."""
    for name, value in settings.items():
        if name == "double_optin":
            for audience in account.audiences.values():
                audience.double_optin = bool(value)
        elif name == "delete_audience":
            del account.audiences[account.named(value).id]
        elif name == "batch_rate":
            account.batches.rate = float(value)
        elif name == "abandoned_seconds":
            account.automations.abandoned_seconds = int(value)
        elif name == "sms_programme" and value not in PROGRAMMES:
            raise ValueError(f"sms_programme must be one of {', '.join(PROGRAMMES)}")
        elif name in _SWITCHES:
            setattr(account.switches, name, value)
        else:
            raise ValueError(f"no setting {name!r}")
    return {"settings": dict(settings)}
