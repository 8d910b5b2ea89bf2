"""What a change of a contact says to the webhooks of its audience (mailchimp.md section 7, examples/webhook-*.txt).

`profile`, `cleaned`'s extras and every SMS payload are UNVERIFIED beyond the examples. There is no webhook for tags.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from shopchimp.sandbox.mailchimp.audience import Audience, Member
from shopchimp.sandbox.mailchimp.render import merge_values
from shopchimp.sandbox.mailchimp.sms import Sms

FORM: Final = [(b"Content-Type", b"application/x-www-form-urlencoded")]


class Glimpse(NamedTuple):
    """What of a member can be announced; taken before a change and compared after it."""

    status: str
    email: str
    merge: bytes
    interests: Any
    sms: Sms | None


def glimpse(member: Member) -> Glimpse:
    return Glimpse(member.status, member.email, member.merge, member.get("interests"), member.sms)


@dataclass(frozen=True, slots=True)
class Why:
    """What the contact itself does not show: how they left, and whether they are gone for good."""

    reason: str = ""  # manual or abuse; hard or abuse for `cleaned`
    forgotten: bool = False
    campaign: str = ""  # whose link, or whose bounce, it was


ORDINARY: Final = Why()


def notices(
    audience: Audience, member: Member, before: Glimpse | None, why: Why
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of one change and the `data` of each. A contact that is new has no glimpse before."""
    if why.forgotten:
        yield _left(audience, member, "delete", why)
        return
    if before is None or before.status != member.status:
        yield from _status(audience, member, why)
    if before is not None and before.email != member.email and before.email:
        yield (
            "upemail",
            {
                "new_id": short_id(member),
                "new_email": member.email,
                "old_email": before.email,
                "list_id": audience.id,
            },
        )
    if before is not None and member.email and _profile(before) != _profile(glimpse(member)):
        yield "profile", _person(audience, member)
    yield from _texts(audience, member, before.sms if before else None)


def form(kind: str, fired_at: int, data: dict[str, Any]) -> bytes:
    """PHP-style keys; the zone of `fired_at` is not stated and taken as UTC."""
    at = datetime.fromtimestamp(fired_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return urlencode([("type", kind), ("fired_at", at), *_flat("data", data)]).encode()


def short_id(member: Member) -> str:
    """Ten hex digits as in the captures, not the MD5 that the API's paths take."""
    return member.digest[11:].hex()


def _profile(seen: Glimpse) -> tuple[Any, ...]:
    """A new address comes with a `profile` too (UNVERIFIED, webhooks-index.json)."""
    return seen.email, seen.merge, seen.interests


def _status(audience: Audience, member: Member, why: Why) -> Iterator[tuple[str, dict[str, Any]]]:
    """Waiting for a confirmation and being transactional have no event. Archiving is `delete` (M)."""
    match member.status:
        case "subscribed":
            person = _person(audience, member)
            yield "subscribe", {**person, "ip_signup": member.get("ip_signup")}
        case "unsubscribed":
            yield _left(audience, member, "unsub", why)
        case "archived":
            yield _left(audience, member, "delete", why)
        case "cleaned":
            yield (
                "cleaned",
                {
                    "list_id": audience.id,
                    "campaign_id": why.campaign,
                    "reason": why.reason or "hard",
                    "email": member.email,
                },
            )


def _left(audience: Audience, member: Member, action: str, why: Why) -> tuple[str, dict[str, Any]]:
    person = _person(audience, member)
    return "unsubscribe", {"action": action, "reason": why.reason or "manual", "campaign_id": why.campaign, **person}


def _texts(audience: Audience, member: Member, before: Sms | None) -> Iterator[tuple[str, dict[str, Any]]]:
    sms = member.sms
    if sms is None:
        return
    known = {"id": short_id(member), "email": member.email}
    if before is not None and before.phone != sms.phone:
        yield (
            "upsms",
            {
                **known,
                "old_sms_phone_number": before.phone,
                "new_sms_phone_number": sms.phone,
                "list_id": audience.id,
            },
        )
    if sms.status == (before.status if before else "nonsubscribed"):
        return
    merges = {"EMAIL": member.email}
    if sms.status == "subscribed":
        merges["FNAME"] = str(merge_values(audience, member).get("FNAME", ""))
        yield "sms_subscribe", {**known, "sms_phone_number": sms.phone, "merges": merges, "list_id": audience.id}
    elif sms.status == "unsubscribed":
        # The other form of the phone and no address: the plugin reads both forms, so both have been seen (W).
        channel = {"sms_phone": sms.phone}
        yield (
            "sms_unsubscribe",
            {**known, "email": "", "sms_channel": channel, "merges": merges, "list_id": audience.id},
        )


def _person(audience: Audience, member: Member) -> dict[str, Any]:
    return {
        "id": short_id(member),
        "email": member.email,
        "email_type": member.get("email_type", "html"),
        "ip_opt": member.get("ip_opt"),
        "web_id": audience.web_id * 1000 + member.number,
        "merges": {"EMAIL": member.email, **merge_values(audience, member), "INTERESTS": ""},
        "list_id": audience.id,
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(f"{name}[{key}]", each)
    else:
        yield name, str(value)
