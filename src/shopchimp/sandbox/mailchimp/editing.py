"""What others do in Mailchimp: the contact on a form of theirs, the merchant in the admin. Never the app under test."""

from collections.abc import Mapping
from typing import Any

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import COMPLIANCE, STATUSES, Audience, Member, digest_of
from shopchimp.sandbox.mailchimp.render import durable
from shopchimp.sandbox.mailchimp.writing import BY_ADMIN, create, update

BY_CONTACT = "None given"


def edit(account: Account, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{"email", "set": {...}, "by": "user"|"admin", "archive", "forget", "audience"}` or `{"settings": {...}}`.

    By the contact (`user`, the default) an unsubscribe is a compliance state and a subscribe ends one. An
    unknown address is added. `set` takes status, merge_fields, tags, vip, email_address, timestamp_opt,
    language and `compliance`, which sets that state by hand.
    """
    if "settings" in change:
        return _settings(account, change["settings"])
    audience = account.named(change.get("audience"))
    values = dict(change.get("set", {}))
    compliance = values.pop("compliance", None)
    status = values.pop("status", None)
    if status is not None and status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}")
    member = audience.by_address(change["email"])
    if member is None:
        audience.forgotten.discard(digest_of(change["email"]))  # signing up again in person is allowed
        body = {"email_address": change["email"], **values}
        member = create(audience, body, status or "subscribed", skip_required=True)
        status = status or "subscribed"
    else:
        update(audience, member, values, None, skip_required=True)
    if status is not None:
        set_status(audience, member, status, by=change.get("by", "user"))
    if compliance is not None:
        member.flags = member.flags | COMPLIANCE if compliance else member.flags & ~COMPLIANCE
    if change.get("archive"):
        set_status(audience, member, "archived", by="admin")
    if change.get("forget"):
        audience.forget(member)
        return {"forgotten": member.email}
    return durable(audience, member)


def set_status(audience: Audience, member: Member, status: str, *, by: str) -> None:
    """Anybody but the API may set any status; who it was decides what the API may do afterwards."""
    now = audience.now()
    audience.set_status(member, status)
    if status == "subscribed":
        member.opt_at = audience.last_subscribed_at = now
        member.flags &= ~COMPLIANCE
    elif status == "unsubscribed":
        audience.last_unsubscribed_at = now
        member.put("unsubscribe_reason", BY_CONTACT if by == "user" else BY_ADMIN)
        member.put("unsubscribed_at", now)
        member.flags = member.flags | COMPLIANCE if by == "user" else member.flags & ~COMPLIANCE
    elif status == "cleaned":
        member.flags |= COMPLIANCE
    audience.touch(member)


def _settings(account: Account, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """`consent` (auto, ask, deny), `disabled`, `role`; `double_optin` everywhere; `delete_audience` by id or name."""
    for name, value in settings.items():
        if name == "double_optin":
            for audience in account.audiences.values():
                audience.double_optin = bool(value)
        elif name == "delete_audience":
            del account.audiences[account.named(value).id]
        elif name in ("consent", "disabled", "role"):
            setattr(account.switches, name, value)
        else:
            raise ValueError(f"no setting {name!r}")
    return {"settings": dict(settings)}
