"""A webhook of Mailchimp's, read only as far as needed; and the hooks themselves: listed, made, mended, removed.

Bodies are forms with PHP's keys (`data[merges][EMAIL]`); what they say is a hint, the contact is read again before
anything is written (mailchimp.md section 7). `fired_at` names no zone and is UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl

from shopchimp.mailchimp.client import MailchimpClient

FIELDS_LIMIT = 10_000
ADDRESS_LIMIT = 320
LATE = timedelta(days=7)
FORGOTTEN = "@forgotten.mailchimp.com"
EVENTS = (
    "subscribe",
    "unsubscribe",
    "profile",
    "cleaned",
    "upemail",
    "campaign",
    "sms_subscribe",
    "sms_unsubscribe",
    "upsms",
    "sms_campaign",
)
SOURCES = ("user", "admin", "api")  # all three (D7): changes that other apps make through the API count too
_PEOPLE = frozenset({"subscribe", "unsubscribe", "profile", "cleaned", "upemail"})
_PHONES = frozenset({"sms_subscribe", "sms_unsubscribe", "upsms"})
_NOTED = frozenset({"campaign", "sms_campaign", "batch_operation_completed"})
_ROUTE = "/lists/{list_id}/webhooks"


class Meaning(Enum):
    """What a type is to us."""

    PEOPLE = "people"
    NOTED = "noted"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Notice:
    """Whom a body is about. `opted_out_at`: an opt-out's own time, which stays a fact whatever came after it.

    Without an address there is nobody to look at; then the poll has to find out.
    """

    type: str
    meaning: Meaning
    audience_id: str | None = None
    addresses: tuple[str, ...] = ()
    fired_at: datetime | None = None
    opted_out_at: datetime | None = None


def notice(body: bytes, *, now: datetime) -> Notice:
    """Read a genuine body. Never raises: what can't be read is `UNREADABLE`."""
    try:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    except ValueError:
        return Notice("unreadable", Meaning.UNREADABLE)
    said = dict(pairs)
    kind = said.get("type", "")
    if kind not in _PEOPLE | _PHONES | _NOTED:
        return Notice("unknown" if kind else "unreadable", Meaning.UNKNOWN if kind else Meaning.UNREADABLE)
    fired_at = _fired_at(said.get("fired_at"), now)
    audience = said.get("data[list_id]") or None
    if kind in _NOTED:
        return Notice(kind, Meaning.NOTED, audience, fired_at=_recent(fired_at, now))
    return Notice(
        type=kind,
        meaning=Meaning.PEOPLE,
        audience_id=audience,
        addresses=_addresses(kind, said),
        fired_at=_recent(fired_at, now),
        opted_out_at=(fired_at or now) if _is_opt_out(kind, said) else None,
    )


def _addresses(kind: str, said: Mapping[str, str]) -> tuple[str, ...]:
    if kind == "upemail":
        found = [said.get("data[old_email]"), said.get("data[new_email]")]
    else:
        found = [said.get("data[email]") or said.get("data[merges][EMAIL]")]
    return tuple(address.strip() for address in found if address is not None and _is_address(address))


def _is_address(text: str) -> bool:
    return "@" in text and len(text) <= ADDRESS_LIMIT and text.strip().isprintable()


def _is_opt_out(kind: str, said: Mapping[str, str]) -> bool:
    """The person's own word (L8, L9): not an archiving (action `delete`), but a complaint of spam is one."""
    if kind == "unsubscribe":
        return said.get("data[action]") == "unsub"
    return kind == "cleaned" and said.get("data[reason]") == "abuse"


def _fired_at(text: str | None, now: datetime) -> datetime | None:
    """The event's time, never in the future: a wrong clock must not outlive every later opt-in."""
    try:
        fired = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    try:
        fired = fired.replace(tzinfo=UTC) if fired.tzinfo is None else fired.astimezone(UTC)
    except OverflowError:
        return None
    return min(fired, now)


def _recent(fired: datetime | None, now: datetime) -> datetime | None:
    return fired if fired is not None and fired >= now - LATE else None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A hook as Mailchimp shows it. The signing secret is in the answer to its creation only."""

    id: str
    url: str
    events: Mapping[str, bool]
    sources: Mapping[str, bool]
    signed: bool = False
    signing_secret: str | None = None

    @property
    def hears_everything(self) -> bool:
        """Whether all events of all sources are on."""
        return all(self.events.get(name) for name in EVENTS) and all(self.sources.get(name) for name in SOURCES)


def all_webhooks(client: MailchimpClient, audience_id: str) -> list[Webhook]:
    """Every hook of the audience, other apps' included (GET /lists/{list_id}/webhooks)."""
    body = client.get(f"/lists/{audience_id}/webhooks", _ROUTE)
    return [_webhook(item) for item in body.get("webhooks") or () if isinstance(item, dict)]


def create(client: MailchimpClient, audience_id: str, url: str) -> Webhook:
    """Make a hook that hears everything. Mailchimp asks `url` with a GET before it answers. Not idempotent."""
    return _webhook(client.send("POST", f"/lists/{audience_id}/webhooks", _ROUTE, body={"url": url, **_everything()}))


def mend(client: MailchimpClient, audience_id: str, webhook_id: str) -> None:
    """Switch every event and source on again."""
    path, route = f"/lists/{audience_id}/webhooks/{webhook_id}", f"{_ROUTE}/{{webhook_id}}"
    client.send("PATCH", path, route, body=_everything())


def delete(client: MailchimpClient, audience_id: str, webhook_id: str) -> None:
    """Remove a hook."""
    client.delete(f"/lists/{audience_id}/webhooks/{webhook_id}", f"{_ROUTE}/{{webhook_id}}")


def _everything() -> dict[str, dict[str, bool]]:
    return {"events": dict.fromkeys(EVENTS, True), "sources": dict.fromkeys(SOURCES, True)}


def _webhook(item: Mapping[str, Any]) -> Webhook:
    events, sources = item.get("events"), item.get("sources")
    secret = item.get("signing_secret")
    return Webhook(
        id=str(item.get("id") or ""),
        url=str(item.get("url") or ""),
        events=events if isinstance(events, dict) else {},
        sources=sources if isinstance(sources, dict) else {},
        signed=bool(item.get("signing_enabled")),
        signing_secret=secret if isinstance(secret, str) and secret else None,
    )
