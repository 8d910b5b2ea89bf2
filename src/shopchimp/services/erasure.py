"""An erased person's contacts in Mailchimp: marketing stops at once (L7), and the contact itself goes for ever (D6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shopchimp.db import connections
from shopchimp.domain.consent import (
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    Known,
    Policy,
    Push,
    reconcile,
)
from shopchimp.domain.errors import Rejected
from shopchimp.domain.sms import CustomerSms, Gate, PushSms, SmsState, decide_sms
from shopchimp.mailchimp import members, sms
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.members import Member
from shopchimp.services.gateways import Gateways


def stop_marketing(gateways: Gateways, shop_id: int, emails: Sequence[str]) -> bool:
    """Take every consent of these contacts back. Gives back whether the audience has any of them."""
    client, audience_id = _audience(gateways, shop_id)
    found = False
    for email in emails:
        contact = members.get(client, audience_id, email)
        if contact is None:
            continue
        found = True
        _stop_mails(client, audience_id, email, contact)
        _stop_texts(client, audience_id, contact, now=gateways.clock())
    return found


def erase_contacts(gateways: Gateways, shop_id: int, emails: Sequence[str]) -> None:
    """Delete these contacts permanently; those that are gone are gone."""
    client, audience_id = _audience(gateways, shop_id)
    for email in emails:
        try:
            members.delete_permanently(client, audience_id, email)
        except Rejected as error:
            if error.code not in {"mc_not_found", "mc_forgotten"}:
                raise


def _audience(gateways: Gateways, shop_id: int) -> tuple[MailchimpClient, str]:
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
    return gateways.mailchimp(shop_id), (connection.audience_id if connection else None) or ""


def _stop_mails(client: MailchimpClient, audience_id: str, email: str, contact: Member) -> None:
    """By the only door to a consent write: the customer has just become REDACTED, the contact is as it is."""
    status = ContactStatus(contact.status)
    verdict = reconcile(
        Known(CustomerState.SUBSCRIBED, status),
        None,
        CustomerConsent(CustomerState.REDACTED),
        ContactConsent(status, contact.opted_in_at, contact.changed_at),
        policy=Policy.LATEST_CHOICE_WINS,
    )
    if isinstance(verdict, Push) and verdict.write_contact is not None:
        members.patch(client, audience_id, email, {"status": verdict.write_contact.value})


def _stop_texts(client: MailchimpClient, audience_id: str, contact: Member, *, now: datetime) -> None:
    gate = Gate(first_sync_done=True, approved=True, start_date=now)
    erased = CustomerSms(SmsState.REDACTED, contact.sms_phone_number or None)
    verdict = decide_sms(gate, erased, members.sms_of(contact), None)
    if isinstance(verdict, PushSms) and not verdict.subscribe:
        sms.write(client, audience_id, contact.contact_id, verdict)
