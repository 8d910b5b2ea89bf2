"""Contacts of an audience: read by page, read one, written 500 a call.

Batch subscribe (`POST /lists/{list_id}`) is the only bulk call for contacts. It has no `status_if_new`, so nobody's
status is sent by accident only if a member body carries `status` exactly where consent is meant to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shopchimp.mailchimp.client import BULK, MailchimpClient, classify

PAGE = 1000
BATCH = 500
_FIELDS = "contact_id,email_address,status,timestamp_opt,timestamp_signup,last_changed,merge_fields"  # what we keep
_PAGE_FIELDS = ",".join(f"members.{name}" for name in _FIELDS.split(",")) + ",total_items"
_LOOK_FIELDS = _PAGE_FIELDS.replace("members.merge_fields,", "")
_MEMBERS = "/lists/{list_id}/members"


@dataclass(frozen=True, slots=True)
class Member:
    """A contact as Mailchimp says it. `opted_in_at` is the evidence of an opt-in, `changed_at` bounds an opt-out."""

    email: str
    contact_id: str
    status: str
    opted_in_at: datetime | None
    changed_at: datetime | None
    merge_fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One member of a batch that Mailchimp did not take, with its own sentence and our cause code."""

    email: str
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of one batch: the status each address taken has now, and those refused."""

    taken: dict[str, str]
    refused: list[Refusal]


def page(
    client: MailchimpClient, audience_id: str, *, offset: int, status: str | None = None
) -> tuple[list[Member], int]:
    """One page of the audience in order of sign-up, and how many there are in all.

    Without `status` archived contacts are left out, so a complete read asks for them once more by `status="archived"`.
    """
    params: dict[str, Any] = {
        "count": PAGE,
        "offset": offset,
        "fields": _PAGE_FIELDS,
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
        "fields": _LOOK_FIELDS if consent_only else _PAGE_FIELDS,
        "since_last_changed": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "sort_field": "last_changed",
        "sort_dir": "ASC",
    }
    if status:
        params["status"] = status
    body = client.get(f"/lists/{audience_id}/members", _MEMBERS, params)
    return _parsed(body.get("members"))


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
    taken = {
        str(item.get("email_address") or ""): str(item.get("status") or "")
        for item in (*(answer.get("new_members") or ()), *(answer.get("updated_members") or ()))
        if isinstance(item, dict)
    }
    refused = [
        Refusal(
            email=str(item.get("email_address") or ""),
            cause=classify(str(item.get("error") or ""), str(item.get("error_code") or "")),
            detail=str(item.get("error") or ""),
        )
        for item in answer.get("errors") or ()
        if isinstance(item, dict)
    ]
    return BatchResult(taken, refused)


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
