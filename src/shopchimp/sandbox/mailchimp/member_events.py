"""`/lists/{list_id}/members/{subscriber_hash}/events` (mailchimp.md section 5, examples/member-event-post.json).

An event is kept, and starts the automations that wait for one of its name unless `is_syncing` says that it is history.
Nothing tells two equal events apart: each call is one more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.clock import parsed, written
from shopchimp.sandbox.mailchimp.described import check_query, checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.members import known_member
from shopchimp.sandbox.mailchimp.wire import Call


@dataclass(frozen=True, slots=True)
class MemberEvent:
    """`who` is the address at the time of the call."""

    audience: str
    who: str
    name: str
    occurred_at: int
    received_at: int
    properties: Mapping[str, str]
    quiet: bool  # is_syncing

    def document(self) -> dict[str, Any]:
        return {"occurred_at": written(self.occurred_at), "name": self.name, "properties": self.properties}


def post(account: Account, call: Call) -> None:
    audience, member = known_member(account, call)
    body, now = checked_body(call), account.now()
    occurred_at = parsed(body["occurred_at"]) if body.get("occurred_at") else now
    who, quiet = member.email.lower(), body.get("is_syncing", False)
    event = MemberEvent(
        audience.name, who, body["name"], occurred_at or now, now, body.get("properties", {}), quiet=quiet
    )
    audience.events.setdefault(member.number, []).append(event)
    account.member_events.append(event)
    account.writes.add("event", who, {"audience": audience.name, **event.document(), "is_syncing": quiet})
    account.automations.fire("event", who, event.name, quiet="is_syncing" if quiet else "")


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    """Newest first."""
    check_query(call)
    audience, member = known_member(account, call)
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    kept = audience.events.get(member.number, [])
    page = [each.document() for each in islice(reversed(kept), offset, offset + count)]
    return chosen(call, {"events": page, "total_items": len(kept), "_links": []})


def every(account: Account) -> Iterator[dict[str, Any]]:
    """`/_sandbox/events`: all that ever arrived, in that order, those of forgotten contacts too."""
    for number, each in enumerate(account.member_events, 1):
        yield {
            "n": number,
            "audience": each.audience,
            "email": each.who,
            **each.document(),
            "is_syncing": each.quiet,
            "received_at": written(each.received_at),
        }
