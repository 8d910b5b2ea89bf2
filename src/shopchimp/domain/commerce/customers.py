"""Customers of the store and guests, as Mailchimp's e-commerce customers (S1, S15, S92, S103, S105.1 to 5).

`opt_in_status` is false for everyone, always: false never takes consent away from a contact and never gives any.
Consent goes through the contact (mailchimp.md 8).
"""

from __future__ import annotations

import re

from shopchimp.domain.addresses import is_deliverable_looking, subscriber_hash
from shopchimp.domain.commerce.results import Body, CommerceReason, Skip, Write
from shopchimp.domain.commerce.spelling import given, postal, short_id, text
from shopchimp.domain.commerce.store import Node

_MARKETPLACE = re.compile(r"@(?:[a-z0-9-]+\.)*marketplace\.amazon\.[a-z.]+$", re.IGNORECASE)


def customer_write(customer: Node) -> Write | Skip:
    """A customer of the store. Totals are not sent: Mailchimp adds them up from the orders."""
    email = _email_of(customer)
    if reason := _unusable(email):
        return Skip(reason)
    home = customer.get("defaultAddress") or {}
    body = _body(short_id(customer["id"]), email, customer)
    body |= given(company=text(customer.get("company") or home.get("company")))
    if home:
        body["address"] = postal(home)
    return Write(body)


def buyer(order: Node) -> Write | Skip:
    """Who bought, of an order or a checkout: a customer, or a guest by their address (S92).

    A customer's own address counts before the one entered for this order, so that they stay one person. The rest of a
    customer is known better by `customer_write`; of a guest, the order is all there is.
    """
    customer: Node = order.get("customer") or {}
    email = _email_of(customer) or (order.get("email") or "").strip()
    if reason := _unusable(email):
        return Skip(reason)
    home: Node = order.get("billingAddress") or order.get("shippingAddress") or {}
    if customer:
        named = customer if customer.get("firstName") or customer.get("lastName") else home
        return Write(_body(short_id(customer["id"]), email, named))
    body = _body(guest_id(email), email, home) | given(company=text(home.get("company")))
    if home:
        body["address"] = postal(home)
    return Write(body)


def guest_id(email: str) -> str:
    """The id of somebody without a customer record: the same for all orders of one address."""
    return f"guest-{subscriber_hash(email)}"


def _body(customer_id: str, email: str, named: Node) -> Body:
    return {
        "id": customer_id,
        "email_address": email,
        "opt_in_status": False,
        **given(first_name=text(named.get("firstName")), last_name=text(named.get("lastName"))),
    }


def _email_of(customer: Node) -> str:
    address = (customer.get("defaultEmailAddress") or {}).get("emailAddress") or customer.get("email")
    return (address or "").strip()


def _unusable(email: str) -> CommerceReason | None:
    if not email:
        return CommerceReason.NO_EMAIL
    if _MARKETPLACE.search(email):
        return CommerceReason.MARKETPLACE_EMAIL
    return None if is_deliverable_looking(email) else CommerceReason.BAD_EMAIL
