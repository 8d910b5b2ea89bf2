"""The rules of a member write, the same for POST, PUT, PATCH and each row of a batch (mailchimp.md section 5)."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.audience import (
    COMPLIANCE,
    OPT_GIVEN,
    SIGNUP_GIVEN,
    STATUSES,
    VIP,
    Audience,
    Member,
    digest_of,
)
from shopchimp.sandbox.mailchimp.clock import bad_time, parsed
from shopchimp.sandbox.mailchimp.merge import merged
from shopchimp.sandbox.mailchimp.wire import Problem, json_kind, schema_problem

WRITABLE: Final = STATUSES[:-1]
PATCHABLE: Final = WRITABLE[:-1]  # the contract's PATCH knows no `transactional`
BY_ADMIN: Final = "N/A (Unsubscribed by admin)"

_ADDRESS: Final = re.compile(r"[^@\s,;<>()\[\]\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
# Two addresses of our own making, so that both refusals can be rehearsed at will.
_FAKE: Final = (".invalid", "@fake.example.com")
_BUSY: Final = "@busy.example.com"
_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "email_address": (str, "string"),
    "email_type": (str, "string"),
    "status": (str, "string"),
    "status_if_new": (str, "string"),
    "merge_fields": (dict, "object"),
    "interests": (dict, "object"),
    "language": (str, "string"),
    "vip": (bool, "boolean"),
    "location": (dict, "object"),
    "marketing_permissions": (list, "array"),
    "ip_signup": (str, "string"),
    "ip_opt": (str, "string"),
    "timestamp_signup": (str, "string"),
    "timestamp_opt": (str, "string"),
    "tags": (list, "array"),
}
_RARE: Final = ("email_type", "language", "ip_signup", "ip_opt")
_RARE_NAMES: Final = frozenset({*_RARE, "interests", "location", "marketing_permissions", "vip"})
_IPS: Final = frozenset({"ip_signup", "ip_opt"})


def check_schema(body: Mapping[str, Any], statuses: tuple[str, ...], prefix: str = "") -> None:
    """Types and enums of the contract: one wrong row fails the whole request."""
    for name, value in body.items():
        expected = _TYPES.get(name)
        if expected is None:
            continue
        if type(value) is not expected[0]:
            message = f"Schema describes {expected[1]}, {json_kind(value)} found instead"
            raise schema_problem([(prefix + name, message)])
    for name in ("status", "status_if_new"):
        if name in body and body[name] not in statuses:
            raise schema_problem([(prefix + name, f"Value must be one of: {', '.join(statuses)}")])
    for tag in body.get("tags", ()):
        if type(tag) is not str:
            raise schema_problem([(prefix + "tags", f"Schema describes string, {json_kind(tag)} found instead")])


def check_address(audience: Audience, email: str, digest: bytes) -> None:
    if not _ADDRESS.fullmatch(email):
        raise Problem(400, "Invalid Resource", "Please provide a valid email address.")
    lowered = email.lower()
    if lowered.endswith(_FAKE):
        detail = f"{email} looks fake or invalid, please enter a real email address."
        raise Problem(400, "Invalid Resource", detail)
    if lowered.endswith(_BUSY):
        detail = f"{email} has signed up to a lot of lists very recently; we're not allowing more signups for now"
        raise Problem(400, "Invalid Resource", detail)
    if digest in audience.forgotten:
        detail = (
            f"{email} was permanently deleted and cannot be re-imported. "
            "The contact must re-subscribe to get back on the list."
        )
        raise Problem(400, "Forgotten Email Not Subscribed", detail, untyped=True)


def check_compliance(member: Member, status: str | None) -> None:
    """Who opted out or bounced cannot be subscribed by API; `pending` asks them (F6)."""
    if status == "subscribed" and (member.flags & COMPLIANCE or member.status == "cleaned"):
        detail = (
            f"{member.email} is in a compliance state due to unsubscribe, bounce, or compliance review "
            "and cannot be subscribed."
        )
        raise Problem(400, "Member In Compliance State", detail, untyped=True)


def create(
    audience: Audience, body: Mapping[str, Any], status: str, *, skip_required: bool, digest: bytes | None = None
) -> Member:
    """A member the audience did not know. Nothing is changed if anything is wrong."""
    email = body["email_address"].strip()
    digest = digest or digest_of(email)
    check_address(audience, email, digest)
    merge = checked_merge(audience, b"{}", body, skip_required=skip_required)
    opt_at, signup_at = _time(body, "timestamp_opt"), _time(body, "timestamp_signup")
    _check_ips(body)
    member = audience.add(email, status, digest)
    member.merge = merge
    _stamp(audience, member, status, opt_at, signup_at)
    _rare(member, body)
    if "tags" in body:
        member.tags = audience.with_tags(member, body["tags"])
    audience.touch(member)
    return member


def update(
    audience: Audience,
    member: Member,
    body: Mapping[str, Any],
    status: str | None,
    *,
    skip_required: bool,
    sync_tags: bool = False,
) -> frozenset[str]:
    """Lay a body over a member; the answer says what changed: nothing, 'contact', 'consent' or both."""
    check_compliance(member, status)
    email = body.get("email_address", member.email).strip()
    digest = member.digest if email == member.email else digest_of(email)
    if digest != member.digest:
        check_address(audience, email, digest)
        if audience.by_digest(digest) is not None:
            raise already_member(email)
    merge = checked_merge(audience, member.merge, body, skip_required=skip_required)
    opt_at, signup_at = _time(body, "timestamp_opt"), _time(body, "timestamp_signup")
    _check_ips(body)

    before = (member.email, member.merge, member.tags, member.extra, member.flags & VIP)
    consent_before = (member.status, member.opt_at, member.signup_at)
    audience.set_address(member, email, digest)
    member.merge = merge
    if status is not None and status != member.status:
        audience.set_status(member, status)
        _stamp(audience, member, status, opt_at, signup_at)
    else:
        _given_times(member, opt_at, signup_at)
    _rare(member, body)
    if sync_tags:
        wanted = body.get("tags", [])
        gone = [tag for tag in audience.tags_of(member) if tag not in wanted]
        member.tags = audience.with_tags(member, wanted, gone)
    elif "tags" in body:
        member.tags = audience.with_tags(member, body["tags"])
    changed = set()
    if before != (member.email, member.merge, member.tags, member.extra, member.flags & VIP):
        changed.add("contact")
    if consent_before != (member.status, member.opt_at, member.signup_at):
        changed.add("consent")
    if changed:
        audience.touch(member)
    return frozenset(changed)


def already_member(email: str) -> Problem:
    detail = f"{email} is already a list member. Use PUT to insert or update list members."
    return Problem(400, "Member Exists", detail)


def checked_merge(audience: Audience, stored: bytes, body: Mapping[str, Any], *, skip_required: bool) -> bytes:
    given = body.get("merge_fields")
    if not given and (skip_required or not audience.required_tags):
        return stored
    merge, wrong = merged(audience, stored, given or {}, skip_required=skip_required)
    if wrong:
        raise Problem(400, "Invalid Resource", "Your merge fields were invalid.", errors=wrong)
    return merge


def _time(body: Mapping[str, Any], name: str) -> int | None:
    text = body.get(name)
    if not text:
        return None
    at = parsed(text)
    if at is None:
        raise bad_time(name)
    return at


def _check_ips(body: Mapping[str, Any]) -> None:
    """Validated since 2022-09."""
    if _IPS.isdisjoint(body):
        return
    for name in ("ip_signup", "ip_opt"):
        if body.get(name):
            try:
                ipaddress.ip_address(body[name])
            except ValueError:
                raise schema_problem([(name, "This value should be a valid IP address.")]) from None


def _stamp(audience: Audience, member: Member, status: str, opt_at: int | None, signup_at: int | None) -> None:
    """What a new status brings with it. The caller's own times win over the clock."""
    now = audience.now()
    if status == "subscribed":
        member.opt_at, audience.last_subscribed_at = now, now
        member.flags &= ~OPT_GIVEN
    elif status == "pending" and not member.signup_at:
        member.signup_at = now
    if status == "unsubscribed":
        audience.last_unsubscribed_at = now
        member.put("unsubscribe_reason", BY_ADMIN)
        member.put("unsubscribed_at", now)
    _given_times(member, opt_at, signup_at)


def _given_times(member: Member, opt_at: int | None, signup_at: int | None) -> None:
    if opt_at is not None:
        member.opt_at = opt_at
        member.flags |= OPT_GIVEN
    if signup_at is not None:
        member.signup_at = signup_at
        member.flags |= SIGNUP_GIVEN


def _rare(member: Member, body: Mapping[str, Any]) -> None:
    if _RARE_NAMES.isdisjoint(body):
        return
    for name in _RARE:
        if name in body and body[name] != member.get(name):
            member.put(name, body[name])
    for name in ("interests", "location", "marketing_permissions"):
        if body.get(name):
            member.put(name, {**member.get(name, {}), **body[name]} if name != "marketing_permissions" else body[name])
    if "vip" in body:
        member.flags = member.flags | VIP if body["vip"] else member.flags & ~VIP
