"""Bulk writes that one bad record can't stop: a call refused as a whole is halved until the culprit is alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp import members
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.members import BatchResult, Refusal
from shopchimp.shopify import customers
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import ConsentWrite, UserError

FOR_ALL = frozenset({"mc_plan_limit"})  # a refusal that is about no one contact


def write_contacts(
    client: MailchimpClient, audience_id: str, bodies: Sequence[tuple[str, str]], *, update_existing: bool
) -> BatchResult:
    """Write contacts, each given as (key, JSON body), up to 500 a call."""
    try:
        return members.batch(client, audience_id, [body for _, body in bodies], update_existing=update_existing)
    except Rejected as error:
        if error.code in FOR_ALL:
            raise
        if len(bodies) == 1:
            return BatchResult({}, [Refusal(bodies[0][0], error.code, error.detail)])
    half = len(bodies) // 2
    first, second = (
        write_contacts(client, audience_id, part, update_existing=update_existing)
        for part in (bodies[:half], bodies[half:])
    )
    taken, refused = {**first.taken, **second.taken}, first.refused + second.refused
    return BatchResult(taken, refused, first.members + second.members)


def write_consents(client: ShopifyClient, writes: Sequence[ConsentWrite]) -> list[UserError | None]:
    """Set the consents of customers, in order; None where Shopify took it."""
    try:
        return customers.set_consents(client, writes)
    except Rejected as error:
        if len(writes) == 1:
            return [UserError(error.code, error.detail)]
    half = len(writes) // 2
    return write_consents(client, writes[:half]) + write_consents(client, writes[half:])


def update_customers(client: ShopifyClient, writes: Sequence[tuple[int, Mapping[str, str]]]) -> list[UserError | None]:
    """Set fields of customers, each (id, fields), in order; None where Shopify took it."""
    try:
        return customers.update_all(client, writes) if len(writes) > 1 else [customers.update(client, *writes[0])]
    except Rejected as error:
        if len(writes) == 1:
            return [UserError(error.code, error.detail)]
    half = len(writes) // 2
    return update_customers(client, writes[:half]) + update_customers(client, writes[half:])
