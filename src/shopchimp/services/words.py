"""The merchant's words: rules, states, kinds and phases in plain sentences, the same on pages, in the API and the log.

The specification's own sentence of a rule stays beside its id (domain.rules); what is here is what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shopchimp.domain import identity
from shopchimp.domain.rules import Rule
from shopchimp.domain.sms import SmsRule

CUSTOMER_STATES = {
    "SUBSCRIBED": "Subscribed",
    "NOT_SUBSCRIBED": "Not subscribed",
    "UNSUBSCRIBED": "Unsubscribed",
    "PENDING": "Waiting for confirmation",
    "REDACTED": "Erased",
    "INVALID": "Invalid address",
    "absent": "Not a customer",
}
CONTACT_STATUSES = {
    "subscribed": "Subscribed",
    "unsubscribed": "Unsubscribed",
    "cleaned": "Undeliverable",
    "pending": "Waiting for confirmation",
    "transactional": "Non-subscribed",
    "archived": "Archived",
    "absent": "Not a contact",
}
KINDS = {
    "consent_to_customer_subscribe": "Become subscribed in Shopify",
    "consent_to_customer_unsubscribe": "Become unsubscribed in Shopify",
    "consent_to_contact": "Change consent in Mailchimp",
    "create": "New contacts in Mailchimp",
    "update": "Profile updates in Mailchimp",
    "unchanged": "Already the same",
    "skip": "Skipped",
}
CONSENT_KINDS = ("consent_to_customer_subscribe", "consent_to_customer_unsubscribe", "consent_to_contact")
DIRECTIONS = {"to_mailchimp": "to Mailchimp", "to_shopify": "to Shopify", "none": ""}
SOURCES = {"to_mailchimp": "Shopify", "to_shopify": "Mailchimp"}
WAYS = {"to_mailchimp": "Shopify to Mailchimp", "to_shopify": "Mailchimp to Shopify"}
RESULTS = {
    "synced": "Synced",
    "skipped": "Skipped",
    "failed": "Failed",
    "held": "Held",
    "info": "Noted",
    "waiting": "Waiting",
}
ACTIVITY_KINDS = {
    "contact": "Contact",
    "consent": "Consent",
    "customer": "Customer",
    "tags": "Tags",
    "sms": "SMS",
    "identity": "Address",
    "order": "Order",
    "cart": "Cart",
    "product": "Product",
    "promo": "Promo code",
    "event": "Store event",
    "engagement": "Email and SMS activity",
    "completeness": "Completeness",
    "breaker": "Circuit breaker",
    "privacy": "Privacy",
    "run": "First sync",
    "settings": "Settings",
    "connection": "Connection",
}
PHASE_TITLES = {
    "read_contacts": "Read the Mailchimp audience",
    "read_customers": "Read Shopify customers",
    "plan": "Compare both sides",
    "contacts": "Contacts to Mailchimp",
    "consent": "Consent to Shopify",
    "products": "Products",
    "customers": "Customers",
    "orders": "Orders",
    "carts": "Carts",
    "promo_codes": "Promo codes",
    "live": "Turn on live sync",
}
RUN_STATES = {
    "preparing": ("Preparing", "info"),
    "ready": ("Waiting for you", "caution"),
    "running": ("Syncing", "info"),
    "paused": ("Paused", "caution"),
    "needs_you": ("Needs you", "critical"),
    "done": ("Done", "success"),
    "cancelled": ("Stopped", "neutral"),
    "failed": ("Failed", "critical"),
    "expired": ("Expired", "neutral"),
}
RESULT_TONES = {
    "synced": "success",
    "failed": "critical",
    "held": "caution",
    "waiting": "neutral",
    "skipped": "neutral",
    "info": "info",
}
LIVE_STATES = {
    "off": ("Off", "neutral"),
    "up_to_date": ("Up to date", "success"),
    "syncing": ("Syncing", "info"),
    "retrying": ("Retrying", "warning"),
    "waiting": ("Waiting for a platform", "warning"),
    "delayed": ("Delayed", "warning"),
    "needs_you": ("Needs you", "critical"),
}
TOLD_BY = {
    "shopify": "A webhook from Shopify",
    "shopify_deleted": "Shopify, which deleted it",
    "mailchimp": "A webhook from Mailchimp",
    "poll": "Found by asking both platforms",
    "audit": "The drift audit",
    "merchant": "You, by a retry",
    "identity": "Another change of the same person",
    "backfill": "A background run over everybody",
    "lease": "A second look after an interruption",
}
SMS_STATES = {
    "SUBSCRIBED": "Subscribed",
    "UNSUBSCRIBED": "Unsubscribed",
    "PENDING": "Waiting for confirmation",
    "NEVER_SUBSCRIBED": "Never subscribed",
    "NOT_SUBSCRIBED": "Never subscribed",
    "REDACTED": "Erased",
    "subscribed": "Subscribed",
    "unsubscribed": "Unsubscribed",
    "pending": "Waiting for confirmation",
    "nonsubscribed": "Not subscribed",
}
SMS_GROUPS = {
    "taken_in": "would become SMS subscribers in Mailchimp",
    "synced": "are SMS subscribers in Mailchimp already",
    "before_start": "subscribed before the start date and are left out",
    "unknown_time": "subscribed at a time that Shopify doesn't know and are left out",
    "stopped": "opted out in Mailchimp and stay so",
    "no_phone": "have no phone number that can be texted",
    "archived": "are archived in Mailchimp and are left alone",
    "opted_out": "opted out in Shopify; that goes to Mailchimp in any case",
}
TAG_CHOICES = {
    "all": "All of a customer's tags are copied",
    "none": "No tags of customers are copied",
    "chosen": "Only chosen tags of customers are copied",
}
POLICIES = {
    "mailchimp_wins": "Mark them as subscribed in Shopify, as Mailchimp's answer wins on the first sync",
    "latest_choice_wins": "Unsubscribe them in Mailchimp, as their later choice stands",
}

_RULES = {str(rule.value): rule for rule in Rule}
_PLAIN = {
    Rule.INITIAL_SUBSCRIBED: "Already subscribed on both sides, so nothing is changed.",
    Rule.INITIAL_OPT_OUT: "They opted out in Mailchimp, and no later opt-in is proven, so the opt-out stands.",
    Rule.INITIAL_BOUNCED: "Mail to this address bounces in Mailchimp, so Shopify must not mail it either.",
    Rule.INITIAL_CONFIRMING: "Mailchimp is waiting for the person to confirm, so nothing is changed.",
    Rule.INITIAL_CARRIED: "Subscribed in Shopify and never asked in Mailchimp, so the contact becomes subscribed.",
    Rule.INITIAL_ARCHIVED: "You archived this contact in Mailchimp; shopchimp doesn't bring it back by itself.",
    Rule.INITIAL_CREATED: "Subscribed in Shopify and new to the audience, so the contact is created as subscribed.",
    Rule.INITIAL_KEPT: "Subscribed in Mailchimp: on the first sync Shopify is marked as subscribed to match.",
    Rule.INITIAL_OPT_OUT_OVER_UNASKED: "They opted out in Mailchimp, so Shopify is marked as unsubscribed too.",
    Rule.INITIAL_UNASKED: "Not subscribed on either side, so nothing is changed.",
    Rule.INITIAL_CREATED_NON_SUBSCRIBED: "Never asked for consent, so the contact is created as non-subscribed.",
    Rule.INITIAL_OPTED_OUT: "Opted out on both sides, so nothing is changed.",
    Rule.INITIAL_OPT_OUT_RECORDED: "They opted out in Shopify, so the opt-out is recorded in Mailchimp.",
    Rule.INITIAL_CREATED_OPTED_OUT: "They opted out in Shopify, so the contact is created as unsubscribed.",
    Rule.INITIAL_OWN_CONFIRMATION: "Shopify is waiting for the person to confirm, so nothing is changed.",
    Rule.INITIAL_CREATED_UNCONFIRMED: "Not confirmed yet, so the contact is created as non-subscribed, without a mail.",
    Rule.INITIAL_REDACTED: "Erased in Shopify, so nothing is synced.",
    Rule.INITIAL_INVALID: "Shopify marks the address as invalid, so nothing is synced.",
    Rule.INITIAL_NO_CUSTOMER: "Not a customer of the store; creating customers from contacts is off.",
    Rule.INITIAL_LATER_OPT_IN: "They opted in to Shopify's mail after they opted out in Mailchimp.",
    Rule.INITIAL_BOUNCED_THEN_OPTED_IN: "They opted in after mail bounced; they have to confirm it themselves.",
    Rule.INITIAL_UNARCHIVED: "They opted in after the contact was archived, so it becomes subscribed.",
    Rule.INITIAL_LATER_OPT_OUT: "They opted out in Shopify after opting in to Mailchimp, so the opt-out stands.",
    Rule.NOT_MAILABLE: "Not mailable on either side, so nothing is changed.",
    Rule.EQUAL: "The same on both sides, so nothing is changed.",
    Rule.NON_SUBSCRIBED_OFF: "Adding people who aren't subscribed is off in the options.",
    Rule.OPTED_IN_AGAIN: "They opted in again in Shopify, so the contact becomes subscribed again.",
    Rule.OPTED_IN_BOUNCED: "They opted in again after mail bounced; Mailchimp asks them to confirm the address.",
    Rule.ALREADY_ASKED: "Mailchimp asked them to confirm already; they aren't asked twice.",
    Rule.OPTED_IN: "They opted in in Shopify, so the contact becomes subscribed.",
    Rule.OPTED_IN_ARCHIVED: "They opted in in Shopify after the contact was archived, so it becomes subscribed.",
    Rule.OPTED_IN_NEW: "They opted in in Shopify, so the contact is created as subscribed.",
    Rule.CONFIRMED_IN_SHOPIFY: "They confirmed in Shopify, so the contact becomes subscribed.",
    Rule.STALE_OPT_IN: "They opted out in Mailchimp later than they opted in, so the opt-out stands.",
    Rule.MAILCHIMP_OPT_OUT: "They opted out in Mailchimp, so Shopify is marked as unsubscribed too.",
    Rule.RENEWED: "They opted in in Shopify after they had opted out, so the contact becomes subscribed.",
    Rule.BOUNCED: "Mail to this address bounces in Mailchimp, so Shopify must not mail it either.",
    Rule.ARCHIVED: "You archived this contact in Mailchimp; shopchimp doesn't bring it back by itself.",
    Rule.CREATED: "A subscribed customer who wasn't in the audience, so the contact is created as subscribed.",
    Rule.OPTED_OUT: "They opted out in Shopify, so the contact becomes unsubscribed.",
    Rule.STILL_OPTED_OUT: "They are opted out in Shopify, so the contact becomes unsubscribed.",
    Rule.LATER_MAILCHIMP_OPT_IN: "They opted in in Mailchimp later than they opted out, so Shopify becomes subscribed.",
    Rule.OUT_ON_BOTH: "Not mailable on either side, so nothing is changed.",
    Rule.OPT_OUT_CANCELS: "They opted out in Shopify, so the open request to confirm is cancelled.",
    Rule.NEW_OPT_OUT_RECORDED: "They opted out in Shopify, so the opt-out is recorded in Mailchimp.",
    Rule.CREATED_OPTED_OUT: "They opted out in Shopify, so the contact is created as unsubscribed.",
    Rule.NOT_TICKED: "Not ticking a box withdraws nothing; Shopify follows the opt-in there is in Mailchimp.",
    Rule.KNOWN_OPT_OUT: "They opted out in Mailchimp, so Shopify is marked as unsubscribed too.",
    Rule.UNASKED: "Not subscribed on either side, so nothing is changed.",
    Rule.CREATED_NON_SUBSCRIBED: "A new customer who didn't opt in, so the contact is created as non-subscribed.",
    Rule.CREATED_UNCONFIRMED: "Not confirmed yet, so the contact is created as non-subscribed, without a mail.",
    Rule.ERASURE: "Erased in Shopify: marketing stops at once.",
    Rule.ERASED: "Erased in Shopify, so nothing is synced.",
    Rule.INVALID: "Shopify marks the address as invalid, so nothing is synced.",
    Rule.CUSTOMER_GONE: "The customer was deleted in Shopify; that is no opt-out, so the contact stays.",
    Rule.CONTACT_OPTED_OUT: "They opted out in Mailchimp, so the customer becomes unsubscribed.",
    Rule.CONTACT_BOUNCED: "Mail to this address bounces in Mailchimp, so Shopify must not mail it either.",
    Rule.CONTACT_CONFIRMING: "Mailchimp is waiting for the person to confirm, so nothing is changed yet.",
    Rule.CONTACT_ARCHIVED: "You archived this contact in Mailchimp; that is no opt-out.",
    Rule.CONTACT_DELETED: "The contact was deleted for good; it isn't made again without a new opt-in.",
    Rule.CONTACT_SUBSCRIBED: "They subscribed in Mailchimp, so the customer becomes subscribed.",
    Rule.CONTACT_OPT_OUT_RECORDED: "They opted out in Mailchimp, so the opt-out is recorded in Shopify.",
    Rule.OPT_OUT_OVER_REQUEST: "They opted out in Mailchimp after Shopify had asked them to confirm.",
    Rule.CUSTOMER_CREATED: "A new subscriber who wasn't a customer: Create New Customers is active.",
    Rule.CUSTOMER_CREATED_UNASKED: "A new contact who wasn't a customer is created without consent.",
    Rule.NO_CUSTOMER_FROM_OPT_OUT: "Nobody who opted out is made a customer.",
    Rule.DELAYED_OPT_OUT: "They opted in again in Shopify after the opt-out that Mailchimp told of.",
    Rule.DELAYED_OPT_IN: "They opted out in Shopify after the opt-in that Mailchimp told of.",
    Rule.CONFIRM_FIRST: "The audience has double opt-in, so Mailchimp asks the person to confirm first.",
    Rule.REFUSED: "Mailchimp refused this opt-in for good; only a newer one is tried.",
}
_BESIDE = {
    identity.RULE: "The customer has another email address; consent belongs to the address.",
    SmsRule.OPTED_IN.value: "They subscribed to SMS in Shopify on or after the start date.",
    SmsRule.OPTED_IN_AGAIN.value: "They subscribed to SMS again in Shopify, later than they had opted out.",
    SmsRule.PHONE_CHANGED.value: "Their phone number changed, and the SMS subscription moved along.",
    SmsRule.OPTED_OUT.value: "They opted out of SMS in Shopify; that goes to Mailchimp at once.",
    SmsRule.ERASED.value: "Erased in Shopify: texts stop at once.",
    SmsRule.STOP_TO_SHOPIFY.value: "They opted out of SMS in Mailchimp, and SMS opt-outs go both ways.",
}


def rule_text(rule_id: str) -> str:
    """What a rule means, in one plain sentence; the specification's words where it has no plainer ones."""
    rule = _RULES.get(rule_id)
    if rule is None:
        return _BESIDE.get(rule_id, rule_id)
    return _PLAIN.get(rule, rule.text)


def rule_source(rule_id: str) -> str:
    """The sentence of the truth table that the rule stands for."""
    rule = _RULES.get(rule_id)
    if rule is None:
        return next((each.text for each in SmsRule if each.value == rule_id), "")
    return rule.text


def customer_state(state: str) -> str:
    """A Shopify consent state as the merchant reads it."""
    return CUSTOMER_STATES.get(state, state)


def contact_status(status: str) -> str:
    """A Mailchimp status as the merchant reads it."""
    return CONTACT_STATUSES.get(status, status)


def sms_said(sms: Mapping[str, Any] | None) -> tuple[str, str]:
    """What both sides say of a person's texts, Shopify first; `sms` is what is remembered of it."""
    found = sms or {}
    said = (found.get("state") or "", found.get("contact") or "")
    shopify, mailchimp = (SMS_STATES.get(word, word or "Not known") for word in said)
    return shopify, mailchimp


def told_by(source: object) -> str:
    """Who made us look."""
    return TOLD_BY.get(str(source), str(source))


def masked(email: str | None) -> str:
    """Enough of an address to recognise it, too little to harvest it: `a•••@example.com`."""
    if not email or "@" not in email:
        return "no email"
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}•••@{domain}"
