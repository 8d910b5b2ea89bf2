"""The account as it stands before the app comes: 'Newsletter' from the invented people, 'Wholesale' nearly empty.

Further audiences have nobody.
"""

from typing import Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import (
    COMPLIANCE,
    OPT_GIVEN,
    SIGNUP_GIVEN,
    Audience,
    Member,
    digest_of,
)
from shopchimp.sandbox.mailchimp.clock import parsed
from shopchimp.sandbox.mailchimp.editing import BY_CONTACT
from shopchimp.sandbox.mailchimp.merge import merged
from shopchimp.sandbox.mailchimp.merge_fields import defaults
from shopchimp.sandbox.mailchimp.writing import BY_ADMIN
from shopchimp.sandbox.people import Person

OPENED_AT: Final = parsed("2021-03-02T10:05:00+00:00") or 0
REMOVED_BY_ADMIN_EACH: Final = 4  # one unsubscribed contact in four was removed by the merchant, not by themselves
WHOLESALE: Final = (
    ("buying@wholesale.example.com", "subscribed"),
    ("orders@wholesale.example.net", "subscribed"),
    ("trade@wholesale.example.org", "unsubscribed"),
)


class Seeding:
    """Takes the people one by one; `finish` puts the changes in the order of their time."""

    def __init__(self, account: Account, *, double_optin: bool = False, audiences: int = 2) -> None:
        self.newsletter = account.open_audience("Newsletter", created_at=OPENED_AT)
        self.wholesale = account.open_audience("Wholesale", created_at=OPENED_AT + 86_400)
        for number in range(3, audiences + 1):
            account.open_audience(f"Audience {number}", created_at=OPENED_AT + 86_400 * number)
        for audience in account.audiences.values():
            defaults(audience)
            audience.double_optin = double_optin
        self._changed: list[Member] = []

    def add(self, person: Person) -> None:
        if person.contact_status is None or person.email is None:
            return
        audience = self.newsletter
        digest = digest_of(person.email)
        if audience.by_digest(digest) is not None:
            return
        member = audience.add(person.email, person.contact_status, digest)
        member.source = "Import"
        if person.contact_merge:
            member.merge, _ = merged(audience, b"{}", person.contact_merge, skip_required=True)
        if person.contact_opt_at:
            member.opt_at = int(person.contact_opt_at.timestamp())
            member.flags |= OPT_GIVEN
        if person.contact_signup_at:
            member.signup_at = int(person.contact_signup_at.timestamp())
            member.flags |= SIGNUP_GIVEN
        if person.contact_tags:
            member.tags = audience.with_tags(member, person.contact_tags, at=OPENED_AT)
        changed_at = person.contact_changed_at or person.contact_signup_at or person.created_at
        member.changed_at = max(int(changed_at.timestamp()), member.opt_at, member.signup_at)
        member.created_at = member.signup_at or member.opt_at or member.changed_at
        _leave(audience, member, by_admin=person.number % REMOVED_BY_ADMIN_EACH == 0)
        self._changed.append(member)

    def finish(self) -> None:
        self._changed.sort(key=lambda member: member.changed_at)
        for member in self._changed:
            self.newsletter.touch(member, member.changed_at)
        self._changed.clear()
        for email, status in WHOLESALE:
            member = self.wholesale.add(email, status, digest_of(email))
            member.opt_at, member.flags = OPENED_AT + 86_400, OPT_GIVEN
            member.changed_at = OPENED_AT + 86_400
            _leave(self.wholesale, member, by_admin=False)
            self.wholesale.touch(member, member.changed_at)


def _leave(audience: Audience, member: Member, *, by_admin: bool) -> None:
    """Who opted out or bounced by themselves is in compliance state."""
    if member.status == "unsubscribed":
        audience.last_unsubscribed_at = max(audience.last_unsubscribed_at, member.changed_at)
        member.put("unsubscribe_reason", BY_ADMIN if by_admin else BY_CONTACT)
        member.put("unsubscribed_at", member.changed_at)
    elif member.status == "subscribed":
        audience.last_subscribed_at = max(audience.last_subscribed_at, member.opt_at)
    if member.status == "cleaned" or (member.status == "unsubscribed" and not by_admin):
        member.flags |= COMPLIANCE
