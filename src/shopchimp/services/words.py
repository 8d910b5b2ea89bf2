"""The merchant's words: rules, states, kinds and phases in plain sentences, the same on pages, in the API and the log.

The specification's own sentence of a rule stays beside its id (domain.rules); what is here is what it means.
"""

from __future__ import annotations

from shopchimp.domain.rules import Rule

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
RESULTS = {"synced": "Synced", "skipped": "Skipped", "failed": "Failed", "info": "Noted", "waiting": "Waiting"}
ACTIVITY_KINDS = {
    "contact": "Contact",
    "consent": "Consent",
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
RESULT_TONES = {"synced": "success", "failed": "critical", "waiting": "neutral", "skipped": "neutral", "info": "info"}
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
}


def rule_text(rule_id: str) -> str:
    """What a rule means, in one plain sentence; the specification's words where it has no plainer ones."""
    rule = _RULES.get(rule_id)
    return rule_id if rule is None else _PLAIN.get(rule, rule.text)


def rule_source(rule_id: str) -> str:
    """The sentence of the truth table that the rule stands for."""
    rule = _RULES.get(rule_id)
    return "" if rule is None else rule.text


def customer_state(state: str) -> str:
    """A Shopify consent state as the merchant reads it."""
    return CUSTOMER_STATES.get(state, state)


def contact_status(status: str) -> str:
    """A Mailchimp status as the merchant reads it."""
    return CONTACT_STATUSES.get(status, status)


def masked(email: str | None) -> str:
    """Enough of an address to recognise it, too little to harvest it: `a•••@example.com`."""
    if not email or "@" not in email:
        return "no email"
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}•••@{domain}"
