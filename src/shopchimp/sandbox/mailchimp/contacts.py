"""`/audiences`: contacts with two channels, an address and a phone (mailchimp.md section 6, BETA)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import orjson

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.announcing import Why, glimpse
from shopchimp.sandbox.mailchimp.audience import SMS_ARCHIVED, Audience, Member
from shopchimp.sandbox.mailchimp.clock import asked_time
from shopchimp.sandbox.mailchimp.contact_body import ContactBody
from shopchimp.sandbox.mailchimp.contact_view import NAMES, contact
from shopchimp.sandbox.mailchimp.contact_writing import already_here, archive, write
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.wire import Call, general, not_found, schema_problem

_ARCHIVED: Final = frozenset({"archived", SMS_ARCHIVED})
_REGISTRATION: Final = {
    "approved": "REGISTRATION_STATUS_ACTIVE",
    "pending": "REGISTRATION_STATUS_PENDING_APPROVAL",
    "none": "REGISTRATION_STATUS_NOT_STARTED",
}


def audiences(account: Account, call: Call) -> Mapping[str, Any]:
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    found = [_audience(account, each) for each in account.audiences.values()]
    return chosen(call, {"audiences": found[offset : offset + count], "total_items": len(found)})


def audience(account: Account, call: Call) -> Mapping[str, Any]:
    return chosen(call, _audience(account, account.audience(call.path["audience_id"])))


def sms_programme(account: Account, call: Call) -> Mapping[str, Any]:
    """Undocumented; as Mailchimp's own plugin reads it (W, includes/api/assets/class-mailchimp-sms-program.php)."""
    found = account.audience(call.path["list_id"])
    state = account.switches.sms_programme
    if state == "404":
        raise not_found()
    programme = {
        "program_id": f"sms-{found.web_id}",
        "registration_status": _REGISTRATION[state],
        "program_name": account.document()["account_name"],
        "program_sms_phone_number": "+18335550100" if state == "approved" else None,
        "can_send": state == "approved",
        "double_opt_in": False,
    }
    return {"sms_program": [] if state == "none" else [programme], "sending_countries": ["US", "CA", "GB"]}


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    """`since` is exclusive and `before` inclusive. After the last page the cursor is empty (its form is UNVERIFIED)."""
    found = account.audience(call.path["audience_id"])
    page = _Page.asked_for(call)
    shown: list[Member] = []
    cursor = ""
    for place, member in page.candidates(found):
        if len(shown) == page.count:
            held = orjson.dumps({"place": place, "order": page.order})
            cursor = urlsafe_b64encode(held).decode() if page.count else ""
            break
        if page.fits(member):
            shown.append(member)
    document = {"contacts": [contact(found, each) for each in shown], "next_cursor": cursor, "_links": []}
    return chosen(call, document)


def one(account: Account, call: Call) -> Mapping[str, Any]:
    """By id, `email:<md5>` or `sms:<sha256 of the number>`."""
    found, key = account.audience(call.path["audience_id"]), call.path["contact_id"]
    channel, _, digest = key.rpartition(":")
    member: Member | None
    match channel:
        case "":
            member = found.by_contact_id(key)
        case "email":
            member = found.by_key(digest.lower(), hash_only=True)
        case "sms":
            member = found.by_phone_digest(digest.lower())
        case _:
            member = None
    if member is None:
        raise not_found()
    return chosen(call, contact(found, member), NAMES)


def post(account: Account, call: Call) -> Mapping[str, Any]:
    found, given = account.audience(call.path["audience_id"]), ContactBody.read(call.json(), new=True)
    strict, quiet = _modes(call)
    member = None
    if given.email is not None:
        member = found.by_address(given.email)
    elif given.phone is not None:
        member = found.by_phone(given.phone)
    if member is not None and not given.update_existing and member.status not in _ARCHIVED:
        raise already_here(member)
    return contact(found, write(account, found, member, given, strict=strict, quiet=quiet))


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    found, member = _known(account, call)
    given = ContactBody.read(call.json(), new=False)
    strict, quiet = _modes(call)
    return contact(found, write(account, found, member, given, strict=strict, quiet=quiet))


def put_away(account: Account, call: Call) -> None:
    found, member = _known(account, call)
    if member.status in _ARCHIVED:
        raise not_found()
    before = glimpse(member)
    archive(found, member)
    account.wrote(found, member, frozenset({"consent"}), before)


def forget(account: Account, call: Call) -> None:
    found, member = _known(account, call)
    account.wrote(found, member, frozenset({"forgotten"}), glimpse(member), why=Why(forgotten=True))
    found.forget(member)


@dataclass(frozen=True, slots=True)
class _Page:
    """Which contacts, from where. A cursor belongs to the order it was made for."""

    start: int | None
    by_change: bool
    backwards: bool
    count: int
    created: tuple[int | None, int | None]
    updated: tuple[int | None, int | None]

    @property
    def order(self) -> str:
        return f"{'updated' if self.by_change else 'created'} {'DESC' if self.backwards else 'ASC'}"

    @classmethod
    def asked_for(cls, call: Call) -> Self:
        field, direction = call.query.get("sort_field", "created_at"), call.query.get("sort_dir", "ASC")
        _one_of("sort_field", field, ("created_at", "updated_at"))
        _one_of("sort_dir", direction, ("ASC", "DESC"))
        times = {
            name: asked_time(call.query.get(name), name)
            for name in ("created_since", "created_before", "updated_since", "updated_before")
        }
        page = cls(
            start=None,
            by_change=field == "updated_at",
            backwards=direction == "DESC",
            count=call.number("count", 10, 1000),
            created=(times["created_since"], times["created_before"]),
            updated=(times["updated_since"], times["updated_before"]),
        )
        return page if "cursor" not in call.query else page._at(call.query["cursor"])

    def _at(self, cursor: str) -> Self:
        try:
            held = orjson.loads(urlsafe_b64decode(cursor))
            place, order = int(held["place"]), held["order"]
        except (ValueError, KeyError, TypeError):
            raise general("bad_request") from None
        if order != self.order or place < 0:
            raise general("bad_request")
        return type(self)(place, self.by_change, self.backwards, self.count, self.created, self.updated)

    def candidates(self, audience: Audience) -> Iterator[tuple[int, Member]]:
        """By number is by time of creation, except for those that were there before the sandbox started."""
        start = self.start
        if self.by_change and not self.backwards and self.updated[0] is not None:
            start = max(start or 0, audience.place_after(self.updated[0]))
        return audience.walk(start, by_change=self.by_change, backwards=self.backwards)

    def fits(self, member: Member) -> bool:
        return _within(member.created_at, self.created) and _within(member.changed_at, self.updated)


def _within(at: int, bounds: tuple[int | None, int | None]) -> bool:
    since, before = bounds
    return (since is None or at > since) and (before is None or at <= before)


def _audience(account: Account, found: Audience) -> dict[str, Any]:
    texting = account.switches.sms_programme in ("approved", "404")
    return {
        "id": found.id,
        "name": found.name,
        "stats": {"total_contacts": len(found)},
        "enabled_channels": ["email", "sms"] if texting else ["email"],
    }


def _modes(call: Call) -> tuple[bool, bool]:
    """Whether required merge fields are required, and whether nobody is told."""
    validation, data = call.query.get("merge_field_validation_mode", "strict"), call.query.get("data_mode", "live")
    _one_of("merge_field_validation_mode", validation, ("ignore_required_checks", "strict"))
    _one_of("data_mode", data, ("historical", "live"))
    return validation == "strict", data == "historical"


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise schema_problem([(name, f"Value must be one of: {', '.join(allowed)}")])


def _known(account: Account, call: Call) -> tuple[Audience, Member]:
    """By id alone: the hashes are documented on GET only."""
    found = account.audience(call.path["audience_id"])
    member = found.by_contact_id(call.path["contact_id"])
    if member is None:
        raise not_found()
    return found, member
