"""The merchant's words for customer events. Their names are those of both platforms: automations are built on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shopchimp.domain.customer_events.metafields import count_key
from shopchimp.domain.customer_events.names import ContactAction, StoreEvent

STORE_EVENTS: Mapping[str, str] = {
    StoreEvent.PAGE_VIEWED.value: "Page viewed",
    StoreEvent.PRODUCT_VIEWED.value: "Product viewed",
    StoreEvent.COLLECTION_VIEWED.value: "Collection viewed",
    StoreEvent.SEARCH_SUBMITTED.value: "Search submitted",
    StoreEvent.PRODUCT_ADDED_TO_CART.value: "Product added to cart",
    StoreEvent.CHECKOUT_STARTED.value: "Checkout started",
    StoreEvent.PAYMENT_INFO_SUBMITTED.value: "Payment info submitted",
    StoreEvent.CHECKOUT_COMPLETED.value: "Checkout completed",
}
CONTACT_ACTIONS: Mapping[str, str] = {
    ContactAction.EMAIL_RECEIVED.value: "Email received",
    ContactAction.EMAIL_OPENED.value: "Email opened",
    ContactAction.EMAIL_CLICKED.value: "Email clicked",
    ContactAction.SMS_RECEIVED.value: "SMS received",
    ContactAction.SMS_CLICKED.value: "SMS clicked",
}
STATES: Mapping[str, tuple[str, str]] = {
    "off": ("Off", "neutral"),
    "setup": ("Setup incomplete", "caution"),
    "turning_on": ("Waiting", "neutral"),
    "waiting": ("Waiting for first event", "info"),
    "active": ("Active", "success"),
    "inactive": ("Not arriving", "warning"),
    "failed": ("Needs you", "critical"),
}
NOT_SENT: Mapping[str, str] = {
    "no_person": "nobody said within a day who it was",
    "not_a_contact": "the person didn't become a contact within a day",
    "erased": "the person was erased",
    "refused": "Mailchimp refused it",
    "off": "it waited when Customer Event Syncing was switched off",
    "too_old": "it waited for too long",
    "disconnected": "the store or its audience was disconnected while it waited",
}
SOURCES: Mapping[str, str] = {
    ContactAction.EMAIL_RECEIVED.value: "Campaign reports: who it was sent to, without those it bounced from",
    ContactAction.EMAIL_OPENED.value: "Campaign reports, without opens by machines",
    ContactAction.EMAIL_CLICKED.value: "Campaign reports, without clicks by machines",
    ContactAction.SMS_RECEIVED.value: "The activity of each contact with a phone number",
    ContactAction.SMS_CLICKED.value: "No source in Mailchimp; visits that came by a link of a text message",
}


def event(detail: Mapping[str, Any]) -> str:
    """A line of the log about something a customer did: "Product viewed, 3 times"."""
    name, times = str(detail.get("name") or ""), detail.get("times")
    said = STORE_EVENTS.get(name, name or "Store event")
    return f"{said}, {times} times" if isinstance(times, int) and times > 1 else said


def engagement(detail: Mapping[str, Any]) -> str:
    """A line about values written to a customer: "Email opened, Email clicked"."""
    changed = detail.get("changed") or {}
    said = [title for name, title in CONTACT_ACTIONS.items() if count_key(ContactAction(name)) in changed]
    return ", ".join(said) or "Email and SMS activity"
