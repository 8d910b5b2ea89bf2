"""Contacts of an audience: read by page, read one, written 500 a call.

Batch subscribe (`POST /lists/{list_id}`) is the only bulk call for contacts. It has no `status_if_new`, so nobody's
status is sent by accident only if a member body carries `status` exactly where consent is meant to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.errors import Rejected
from shopchimp.domain.sms import ContactSms, SmsStatus
from shopchimp.mailchimp.client import BULK, MailchimpClient, classify

PAGE = 1000
BATCH = 500
SECOND = timedelta(seconds=1)
_CONSENT = "contact_id,email_address,status,timestamp_opt,timestamp_signup,last_changed"
_SMS = "sms_phone_number,sms_subscription_status,sms_subscription_last_updated"
_FIELDS = f"{_CONSENT},merge_fields,tags,{_SMS}"  # all that live sync carries
_MEMBERS = "/lists/{list_id}/members"
_MEMBER = "/lists/{list_id}/members/{subscriber_hash}"


def _in_page(fields: str) -> str:
    return ",".join(f"members.{name}" for name in fields.split(",")) + ",total_items"


_PAGE_FIELDS = _in_page(f"{_CONSENT},merge_fields")  # what the first sync reads of everybody
_CHANGED_FIELDS = _in_page(_FIELDS)  # what a poll or an audit reads
_LOOK_FIELDS = _in_page(_CONSENT)


@dataclass(frozen=True, slots=True)
class Member:
    """A contact as Mailchimp says it. `opted_in_at` is the evidence of an opt-in, `changed_at` bounds an opt-out.

    `tags` are at most the 50 that an answer shows, None where it shows none. The last three are the phone's.
    """

    email: str
    contact_id: str
    status: str
    opted_in_at: datetime | None
    changed_at: datetime | None
    merge_fields: dict[str, Any]
    tags: tuple[str, ...] | None = None
    sms_phone_number: str = ""
    sms_subscription_status: str = ""
    sms_subscription_last_updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One member of a batch that Mailchimp did not take, with its own sentence and our cause code."""

    email: str
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of one batch: the status each address taken has now, and those refused.

    `members` are the same contacts as those taken, as they are now.
    """

    taken: dict[str, str]
    refused: list[Refusal]
    members: tuple[Member, ...] = ()


def page(
    client: MailchimpClient, audience_id: str, *, offset: int, status: str | None = None, whole: bool = False
) -> tuple[list[Member], int]:
    """One page of the audience in order of sign-up, and how many there are in all. `whole`: tags and phones as well.

    Without `status` archived contacts are left out, so a complete read asks for them once more by `status="archived"`.
    """
    params: dict[str, Any] = {
        "count": PAGE,
        "offset": offset,
        "fields": _CHANGED_FIELDS if whole else _PAGE_FIELDS,
        "sort_field": "timestamp_signup",
        "sort_dir": "ASC",
    }
    if status:
        params["status"] = status
    body = client.get(f"/lists/{audience_id}/members", _MEMBERS, params)
    return _parsed(body.get("members")), int(body.get("total_items") or 0)


def changed_since(
    client: MailchimpClient,
    audience_id: str,
    since: datetime,
    *,
    offset: int = 0,
    status: str | None = None,
    consent_only: bool = False,
) -> list[Member]:
    """One page of the contacts whose `last_changed` is after `since` (seconds), oldest first. Archived: as `page`.

    `consent_only` leaves out what says nothing about consent (merge fields), for a quick look.
    """
    params: dict[str, Any] = {
        "count": PAGE,
        "offset": offset,
        "fields": _LOOK_FIELDS if consent_only else _CHANGED_FIELDS,
        "since_last_changed": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "sort_field": "last_changed",
        "sort_dir": "ASC",
    }
    if status:
        params["status"] = status
    body = client.get(f"/lists/{audience_id}/members", _MEMBERS, params)
    return _parsed(body.get("members"))


def all_changed_since(
    client: MailchimpClient,
    audience_id: str,
    since: datetime,
    *,
    status: str | None = None,
    consent_only: bool = False,
) -> Iterator[list[Member]]:
    """Contacts in the order of their last change, page by page.

    The next page begins at the last one's end by time: with a growing offset, somebody who changes meanwhile moves to
    the end, everybody behind moves up by one, and one person is never seen. Only where a page isn't left by time (all
    of it is one second, as after a batch) the offset grows.
    """
    offset = 0
    while True:
        page = changed_since(client, audience_id, since, offset=offset, status=status, consent_only=consent_only)
        if page:
            yield page
        if len(page) < PAGE:
            return
        ends = max((member.changed_at for member in page if member.changed_at), default=since) - SECOND
        if ends > since:
            since, offset = ends, 0
        else:
            offset += len(page)


def batch(client: MailchimpClient, audience_id: str, bodies: Sequence[str], *, update_existing: bool) -> BatchResult:
    """Write up to 500 contacts, each given as JSON. HTTP is 200 even when some are refused; the result has both."""
    existing = "true" if update_existing else "false"
    body = f'{{"members":[{",".join(bodies)}],"update_existing":{existing},"sync_tags":false}}'.encode()
    answer = client.send(
        "POST",
        f"/lists/{audience_id}",
        "/lists/{list_id}",
        body=body,
        params={"skip_merge_validation": "true", "skip_duplicate_check": "true"},
        timeout=BULK,
    )
    members = _parsed((*(answer.get("new_members") or ()), *(answer.get("updated_members") or ())))
    taken = {member.email: member.status for member in members}
    refused = [
        Refusal(
            email=str(item.get("email_address") or ""),
            cause=classify(str(item.get("error") or ""), str(item.get("error_code") or "")),
            detail=str(item.get("error") or ""),
        )
        for item in answer.get("errors") or ()
        if isinstance(item, dict)
    ]
    return BatchResult(taken, refused, tuple(members))


def get(client: MailchimpClient, audience_id: str, email: str) -> Member | None:
    """The contact with this address as it is now, archived or not; None where the audience has none."""
    try:
        return parse(client.get(_path(audience_id, email), _MEMBER, {"fields": _FIELDS}))
    except Rejected as error:
        if error.code == "mc_not_found":
            return None
        raise


def put(
    client: MailchimpClient,
    audience_id: str,
    email: str,
    *,
    status: str | None,
    status_if_new: str,
    merge_fields: Mapping[str, Any],
    timestamp_opt: datetime | None = None,
) -> Member:
    """Make the contact or change it. `status` None leaves the consent of one that is there as it is.

    The answer says what Mailchimp made of it: compare its status with the one asked for.
    """
    body: dict[str, Any] = {"email_address": email, "status_if_new": status_if_new}
    if status is not None:
        body["status"] = status
    if merge_fields:
        body["merge_fields"] = dict(merge_fields)
    if timestamp_opt is not None:
        body["timestamp_opt"] = timestamp_opt.astimezone(UTC).isoformat(timespec="seconds")
    return parse(client.send("PUT", _path(audience_id, email), _MEMBER, body=body, params=_LENIENT))


def post(
    client: MailchimpClient,
    audience_id: str,
    email: str,
    *,
    status: str,
    merge_fields: Mapping[str, Any],
    timestamp_opt: datetime | None = None,
    tags: Sequence[str] = (),
) -> Member:
    """Make the contact; refused (`mc_contact_exists`) where there is one by now: whoever joined a moment ago stays."""
    body: dict[str, Any] = {"email_address": email, "status": status}
    if merge_fields:
        body["merge_fields"] = dict(merge_fields)
    if timestamp_opt is not None:
        body["timestamp_opt"] = timestamp_opt.astimezone(UTC).isoformat(timespec="seconds")
    if tags:
        body["tags"] = list(tags)
    return parse(client.send("POST", f"/lists/{audience_id}/members", _MEMBERS, body=body, params=_LENIENT))


def patch(client: MailchimpClient, audience_id: str, email: str, body: Mapping[str, Any]) -> Member:
    """Change an existing contact, and only what `body` names; `mc_not_found` where there is none."""
    return parse(client.send("PATCH", _path(audience_id, email), _MEMBER, body=body, params=_LENIENT))


def move(client: MailchimpClient, audience_id: str, email: str, new_email: str) -> Member:
    """Give the contact another address, with its consent and history. Refused where that one has a contact (M6)."""
    return patch(client, audience_id, email, {"email_address": new_email})


def delete_permanently(client: MailchimpClient, audience_id: str, email: str) -> None:
    """Erase the contact for ever, with its history; nobody but the person can bring the address back. No undo."""
    route = f"{_MEMBER}/actions/delete-permanent"
    client.send("POST", f"{_path(audience_id, email)}/actions/delete-permanent", route, body={})


_LENIENT = {"skip_merge_validation": "true"}  # a field that the merchant requires keeps nobody out


def _path(audience_id: str, email: str) -> str:
    return f"/lists/{audience_id}/members/{subscriber_hash(email)}"


def _parsed(items: Any) -> list[Member]:
    return [parse(item) for item in items or () if isinstance(item, dict)]


def parse(item: dict[str, Any]) -> Member:
    """A member object of any answer, with what we need of it."""
    merge_fields = item.get("merge_fields")
    return Member(
        email=str(item.get("email_address") or ""),
        contact_id=str(item.get("contact_id") or item.get("id") or ""),
        status=str(item.get("status") or ""),
        opted_in_at=_time(item.get("timestamp_opt")) or _time(item.get("timestamp_signup")),
        changed_at=_time(item.get("last_changed")),
        merge_fields=merge_fields if isinstance(merge_fields, dict) else {},
        tags=_tags(item.get("tags")),
        sms_phone_number=str(item.get("sms_phone_number") or ""),
        sms_subscription_status=str(item.get("sms_subscription_status") or ""),
        sms_subscription_last_updated=_time(item.get("sms_subscription_last_updated")),
    )


def _tags(items: Any) -> tuple[str, ...] | None:
    if not isinstance(items, list):
        return None
    named = (item.get("name") if isinstance(item, dict) else item for item in items)
    return tuple(name for name in named if isinstance(name, str))


_SMS_STATUSES = {status.value: status for status in SmsStatus}


def sms_of(member: Member) -> ContactSms:
    """The contact's consent to text messages, as `domain.sms` takes it."""
    said = member.sms_subscription_status
    return ContactSms(
        status=_SMS_STATUSES.get(said) if said else SmsStatus.NONSUBSCRIBED,
        phone=member.sms_phone_number or None,
        changed_at=member.sms_subscription_last_updated,
        archived=member.status == "archived",
    )


def _time(value: object) -> datetime | None:
    """Mailchimp's times are ISO 8601 with a zone; an empty string means none. An unreadable one counts as none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
