"""What the buttons of the pages do: each is one edit, told to the webhooks at once."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import Audience, Member
from shopchimp.sandbox.mailchimp.editing import edit
from shopchimp.sandbox.mailchimp.wire import not_found

Form = Mapping[str, str]

_PLAIN: Final[Mapping[str, Mapping[str, Any]]] = {
    "subscribe": {"set": {"status": "subscribed"}, "by": "person"},
    "unsubscribe": {"set": {"status": "unsubscribed"}, "by": "person"},
    "confirm": {"confirm": True, "by": "person"},
    "abuse": {"set": {"status": "unsubscribed"}, "reason": "abuse", "by": "person"},
    "bounce": {"set": {"status": "cleaned"}, "reason": "hard", "by": "admin"},
    "merchant_subscribe": {"set": {"status": "subscribed"}, "by": "admin"},
    "merchant_unsubscribe": {"set": {"status": "unsubscribed"}, "by": "admin"},
    "archive": {"archive": True},
    "forget": {"forget": True},
}
_NEW: Final = {
    "sign_up": ("subscribed", "person"),
    "sign_up_pending": ("pending", "person"),
    "import_subscribed": ("subscribed", "admin"),
    "import_transactional": ("transactional", "admin"),
}


def submit(account: Account, list_id: str, key: str | None, body: bytes) -> str:
    """Carry out the form of an audience's page (no key) or of a contact's; the answer is where to go next."""
    audience, form = account.audience(list_id), dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if key is None:
        status, by = _NEW[form["do"]]
        who = {"email": form["email"].strip()}
        edit(account, {**who, "audience": list_id, "set": {"status": status, "merge_fields": _names(form)}, "by": by})
        member = audience.by_address(who["email"])
    else:
        member = audience.by_key(key)
        if member is None:
            raise not_found()
        edit(account, {"audience": list_id, **_who(member), **_change(audience, member, form)})
    here = f"/contacts/{quote(list_id)}"
    return here if member is None or form.get("do") == "forget" else f"{here}/{member.digest.hex()}"


def _change(audience: Audience, member: Member, form: Form) -> dict[str, Any]:
    do = form.get("do", "status")
    if do in _PLAIN:
        return dict(_PLAIN[do])
    match do:
        case "status":
            return {"set": {"status": form["status"]}, "by": form.get("by", "user")}
        case "sms_subscribe":
            return {"sms": {"status": "subscribed", "phone": form["phone"].strip()}, "by": "person"}
        case "sms_stop":
            return {"sms": {"status": "unsubscribed"}, "by": "person"}
        case "profile" | "merchant_profile":
            return _profile(audience, member, form) | {"by": "person" if do == "profile" else "admin"}
    raise ValueError(f"no button {do!r}")


def _profile(audience: Audience, member: Member, form: Form) -> dict[str, Any]:
    """An empty name takes the name away; a tag that is not listed any more is removed."""
    tags = [each.strip() for each in form.get("tags", "").split(",") if each.strip()]
    values: dict[str, Any] = {"merge_fields": _names(form), "tags": tags}
    if form.get("email", "").strip():
        values["email_address"] = form["email"].strip()
    return {"set": values, "remove_tags": [each for each in audience.tags_of(member) if each not in tags]}


def _names(form: Form) -> dict[str, str]:
    return {"FNAME": form.get("first_name", "").strip(), "LNAME": form.get("last_name", "").strip()}


def _who(member: Member) -> dict[str, str]:
    return {"email": member.email} if member.email else {"phone": member.sms.phone if member.sms else ""}
