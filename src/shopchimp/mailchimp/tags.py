"""Tags of one contact: put on and taken off by name in one call. A tag that the audience lacks is made by it."""

from __future__ import annotations

from collections.abc import Sequence

from shopchimp.domain.addresses import subscriber_hash
from shopchimp.mailchimp.client import MailchimpClient


def write(
    client: MailchimpClient,
    audience_id: str,
    email: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    quiet: bool = False,
) -> None:
    """Put these tags on the contact and take those off (POST .../tags); nothing is asked where both are empty.

    `quiet` (a backfill) keeps automations that start with a tag from mailing everybody who had it for years.
    """
    changes = [{"name": name, "status": "active"} for name in add]
    changes += [{"name": name, "status": "inactive"} for name in remove]
    if not changes:
        return
    client.send(
        "POST",
        f"/lists/{audience_id}/members/{subscriber_hash(email)}/tags",
        "/lists/{list_id}/members/{subscriber_hash}/tags",
        body={"tags": changes, "is_syncing": quiet},
    )
