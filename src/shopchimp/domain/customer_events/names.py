"""The names of the events, as both platforms and the merchant read them, and which of the store's go first."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class StoreEvent(StrEnum):
    """What a customer does in the store (S44 to S51): Shopify's own names."""

    PAGE_VIEWED = "page_viewed"
    PRODUCT_VIEWED = "product_viewed"
    SEARCH_SUBMITTED = "search_submitted"
    PRODUCT_ADDED_TO_CART = "product_added_to_cart"
    PAYMENT_INFO_SUBMITTED = "payment_info_submitted"
    CHECKOUT_STARTED = "checkout_started"
    CHECKOUT_COMPLETED = "checkout_completed"
    COLLECTION_VIEWED = "collection_viewed"


class ContactAction(StrEnum):
    """What a contact did with a message, or that one was sent to them (S54 to S58)."""

    EMAIL_RECEIVED = "email_received"
    EMAIL_OPENED = "email_opened"
    EMAIL_CLICKED = "email_clicked"
    SMS_RECEIVED = "sms_received"
    SMS_CLICKED = "sms_clicked"


class Priority(IntEnum):
    """Which events are sent first when calls are scarce: the smaller one."""

    CHECKOUT = 0
    CART = 1
    INTEREST = 2
    PAGE = 3


_PRIORITIES = {
    StoreEvent.CHECKOUT_COMPLETED: Priority.CHECKOUT,
    StoreEvent.PAYMENT_INFO_SUBMITTED: Priority.CHECKOUT,
    StoreEvent.CHECKOUT_STARTED: Priority.CHECKOUT,
    StoreEvent.PRODUCT_ADDED_TO_CART: Priority.CART,
    StoreEvent.PRODUCT_VIEWED: Priority.INTEREST,
    StoreEvent.SEARCH_SUBMITTED: Priority.INTEREST,
    StoreEvent.COLLECTION_VIEWED: Priority.INTEREST,
    StoreEvent.PAGE_VIEWED: Priority.PAGE,
}


def priority(name: StoreEvent) -> Priority:
    """How urgent an event is: what may end in a sale goes before what was merely looked at."""
    return _PRIORITIES[name]
