"""What a contact did with a message, as facts that count once however often they are read (S53 to S58).

Mailchimp gives none of them an id, and shows the same one in several places with times that differ by seconds. So a
fact is its own key: contact, campaign and action, and for what can happen again also when, and to which link.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from shopchimp.domain.commerce.spelling import fingerprint
from shopchimp.domain.customer_events.names import ContactAction

_ONCE = frozenset({ContactAction.EMAIL_RECEIVED, ContactAction.SMS_RECEIVED})  # a campaign reaches a contact once


@dataclass(frozen=True, slots=True)
class Campaign:
    """A message that was sent to many. `sent_at` None: not known yet."""

    id: str
    title: str
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ActivityFact:
    """One thing that happened. `contact` is Mailchimp's id of the address (`email_id`)."""

    contact: str
    campaign: str
    action: ContactAction
    at: datetime
    url: str | None = None
    title: str | None = None

    @property
    def key(self) -> str:
        """The same for the same thing, wherever and however often it is read."""
        if self.action in _ONCE:
            return fingerprint("act", self.contact, self.campaign, self.action.value)
        moment = self.at.astimezone(UTC).replace(microsecond=0).isoformat()
        return fingerprint("act", self.contact, self.campaign, self.action.value, moment, self.url)
