"""A member as the API shows it: every field has one function, so a page of a thousand costs only what was asked for."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from shopchimp.sandbox.mailchimp.audience import OPT_GIVEN, SIGNUP_GIVEN, VIP, Audience, Member
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.fields import Tree, check, drop, parse, pick

SHOWN_TAGS: Final = 50
_NOWHERE: Final = {
    "latitude": 0,
    "longitude": 0,
    "gmtoff": 0,
    "dstoff": 0,
    "country_code": "",
    "timezone": "",
    "region": "",
}
_NO_STATS: Final = {"avg_open_rate": 0, "avg_click_rate": 0}
_NOTHING: Final[Mapping[str, Any]] = {}

Show = Callable[[Audience, Member], Any]


def merge_values(audience: Audience, member: Member) -> dict[str, Any]:
    if len(member.merge) == 2:
        return audience.blank_merge
    values = {**audience.blank_merge, **orjson.loads(member.merge)}
    if len(values) > len(audience.blank_merge):  # a value outlived its field
        return {tag: values[tag] for tag in audience.blank_merge}
    return values


def _full_name(_: Audience, member: Member) -> str:
    values = orjson.loads(member.merge)
    return f"{values.get('FNAME', '')} {values.get('LNAME', '')}".strip()


def _tags(audience: Audience, member: Member) -> list[dict[str, Any]]:
    return [{"id": tag, "name": audience.tag_names[tag]} for tag, _ in member.tags[:SHOWN_TAGS]] if member.tags else []


# Names and order of examples/member-get.json. `last_note` belongs to a later issue.
FIELDS: Final[Mapping[str, Show]] = {
    "id": lambda _, m: m.digest.hex(),
    "email_address": lambda _, m: m.email,
    "unique_email_id": lambda _, m: m.digest[11:].hex(),
    "contact_id": lambda _, m: m.contact_id,
    "full_name": _full_name,
    "web_id": lambda a, m: a.web_id * 1000 + m.number,
    "email_type": lambda _, m: m.get("email_type", "html"),
    "status": lambda _, m: m.status,
    "unsubscribe_reason": lambda _, m: m.get("unsubscribe_reason"),
    "consents_to_one_to_one_messaging": lambda _, m: m.status == "subscribed",
    "sms_phone_number": lambda _, m: m.sms.phone if m.sms else "",
    "sms_subscription_status": lambda _, m: m.sms.status if m.sms else "",
    "sms_subscription_last_updated": lambda _, m: written(m.sms.updated_at) if m.sms else "",
    "merge_fields": merge_values,
    "interests": lambda _, m: m.get("interests", {}),
    "stats": lambda *_: _NO_STATS,
    "ip_signup": lambda _, m: m.get("ip_signup"),
    "timestamp_signup": lambda _, m: written(m.signup_at),
    "ip_opt": lambda _, m: m.get("ip_opt"),
    "timestamp_opt": lambda _, m: written(m.opt_at),
    "member_rating": lambda *_: 2,
    "last_changed": lambda _, m: written(m.changed_at),
    "language": lambda _, m: m.get("language"),
    "vip": lambda _, m: bool(m.flags & VIP),
    "email_client": lambda *_: "",
    "location": lambda _, m: {**_NOWHERE, **m.get("location", {})} if m.extra else _NOWHERE,
    "marketing_permissions": lambda _, m: m.get("marketing_permissions", []),
    "source": lambda _, m: m.source,
    "tags_count": lambda _, m: len(m.tags),
    "tags": _tags,
    "list_id": lambda a, _: a.id,
    "_links": lambda *_: [],
}
# `region` is in the reads' location and not in the batch answer's.
_NOWHERE_IN_BATCH: Final = {name: value for name, value in _NOWHERE.items() if name != "region"}
_VALID: Final = frozenset(FIELDS) | {"last_note"}
_SMS: Final = ("sms_phone_number", "sms_subscription_status", "sms_subscription_last_updated")


class Shape:
    """Which fields of a member to show, from the `fields` and `exclude_fields` below `members`."""

    def __init__(self, wanted: Tree | None = None, unwanted: Tree | None = None) -> None:
        if wanted:
            check(wanted, _VALID)
        out = unwanted or {}
        hidden = {name for name, branch in out.items() if not branch}
        names = wanted or FIELDS
        self._shows = [(name, FIELDS[name]) for name in names if name in FIELDS and name not in hidden]
        self._sms = [name for name, _ in self._shows if name in _SMS]
        self._inner = {name: branch for name, branch in (wanted or {}).items() if branch}
        self._cut = {name: branch for name, branch in out.items() if branch}

    def __call__(self, audience: Audience, members: Iterable[Member]) -> list[dict[str, Any]]:
        shown = [{name: show(audience, m) for name, show in self._shows} for m in members]
        for document in shown:
            if not document.get("unsubscribe_reason", "-"):
                del document["unsubscribe_reason"]  # only the unsubscribed have the member at all
            for name in self._sms:
                if not document[name]:
                    del document[name]  # likewise UNVERIFIED
        if self._inner or self._cut:
            return [self._trimmed(document) for document in shown]
        return shown

    def _trimmed(self, document: dict[str, Any]) -> dict[str, Any]:
        inner = {name: pick(document[name], tree) for name, tree in self._inner.items() if name in document}
        trimmed: dict[str, Any] = drop({**document, **inner}, self._cut)
        return trimmed


WHOLE: Final = Shape()


def shape(wanted: str, unwanted: str) -> Shape:
    """The shape of one member answered alone."""
    return Shape(parse(wanted) if wanted else None, parse(unwanted) if unwanted else None)


def whole(audience: Audience, member: Member) -> dict[str, Any]:
    return WHOLE(audience, (member,))[0]


def in_batch(audience: Audience, members: Iterable[Member]) -> list[dict[str, Any]]:
    """The answer to a batch subscribe, whose schema knows fewer fields. Written out: 500 of them must take no time."""
    return [
        {
            "id": member.digest.hex(),
            "email_address": member.email,
            "unique_email_id": member.digest[11:].hex(),
            "contact_id": member.contact_id,
            "email_type": member.get("email_type", "html"),
            "status": member.status,
            "merge_fields": merge_values(audience, member),
            "interests": member.get("interests", _NOTHING),
            "stats": _NO_STATS,
            "ip_signup": member.get("ip_signup"),
            "timestamp_signup": written(member.signup_at),
            "ip_opt": member.get("ip_opt"),
            "timestamp_opt": written(member.opt_at),
            "member_rating": 2,
            "last_changed": written(member.changed_at),
            "language": member.get("language"),
            "vip": bool(member.flags & VIP),
            "email_client": "",
            "location": {**_NOWHERE_IN_BATCH, **member.get("location", _NOTHING)},
            "tags_count": len(member.tags),
            "tags": _tags(audience, member),
            "list_id": audience.id,
            "_links": (),
        }
        for member in members
    ]


def durable(audience: Audience, member: Member) -> dict[str, Any]:
    """What of a member must be the same after two runs of the same work: no clock of this server."""
    return {
        **profile(audience, member),
        **consent(member),
        "sms": texts(member),
        "confirmation_mails": member.get("confirmation_mails", 0),
    }


def profile(audience: Audience, member: Member) -> dict[str, Any]:
    return {
        "email": member.email,
        "merge_fields": orjson.loads(member.merge),
        "tags": sorted(audience.tags_of(member)),
        "language": member.get("language"),
        "vip": bool(member.flags & VIP),
    }


def consent(member: Member) -> dict[str, Any]:
    return {
        "status": member.status,
        "timestamp_opt": written(member.opt_at) if member.flags & OPT_GIVEN else None,
        "timestamp_signup": written(member.signup_at) if member.flags & SIGNUP_GIVEN else None,
    }


def texts(member: Member) -> dict[str, Any] | None:
    """SMS consent; None where there is no phone."""
    sms = member.sms
    if sms is None:
        return None
    captured_at = written(sms.captured_at) if sms.captured_given else None
    return {"phone": sms.phone, "status": sms.status, "consent": sms.consent, "captured_at": captured_at}
