"""Events of contacts: one call each, and no way to tell Mailchimp that it is the same again (mailchimp.md 5 and 13).

So whoever doesn't know whether a call was heard asks for the contact's events first, and looks for the id that ours
carry among their properties.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp.client import MailchimpClient

_EVENTS = "/lists/{list_id}/members/{subscriber_hash}/events"
_PAGE = 1000
_PAGES = 10  # as far back as we look: calls that we don't know the end of are minutes old


def post(client: MailchimpClient, audience_id: str, email: str, body: Mapping[str, Any]) -> None:
    """Tell Mailchimp of one event. Rejected with `mc_not_found` where the audience has no such contact."""
    client.send("POST", _path(audience_id, email), _EVENTS, body=body)


def heard(client: MailchimpClient, audience_id: str, email: str, event_ids: Collection[str]) -> set[str]:
    """Which of these events of a contact Mailchimp has. Somebody who is no contact has none."""
    wanted, seen = set(event_ids), 0
    found: set[str] = set()
    for _ in range(_PAGES):
        params = {"count": _PAGE, "offset": seen, "fields": "events.properties,total_items"}
        try:
            answer = client.get(_path(audience_id, email), _EVENTS, params)
        except Rejected as error:
            if error.code == "mc_not_found":
                return found
            raise
        page = [each for each in answer.get("events") or () if isinstance(each, dict)]
        found |= {id_ for each in page if (id_ := (each.get("properties") or {}).get("event_id")) in wanted}
        seen += len(page)
        if not page or found == wanted or seen >= int(answer.get("total_items") or 0):
            break
    return found


def _path(audience_id: str, email: str) -> str:
    return f"/lists/{audience_id}/members/{subscriber_hash(email)}/events"
