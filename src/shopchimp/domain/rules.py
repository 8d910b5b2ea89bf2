"""The rules of consent by name: a stable id for the database and the API, and the sentence of the truth table.

An id is never renamed or reused, for activity rows refer to it for years. It names the phase in which the rule
speaks ("any" where several share it) and the requirements or rules of consent.md that it stands on; a word is added
where one of these decides several cases. One sentence has one id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Sentence(StrEnum):
    """An id that knows its sentence: the value is the id, `text` the sentence."""

    text: str

    def __new__(cls, rule_id: str, text: str) -> Self:
        """Make the member a string that is its id."""
        rule = str.__new__(cls, rule_id)
        rule._value_ = rule_id
        rule.text = text
        return rule


class Rule(Sentence):
    """Why consent was written, or left as it is."""

    # Shared by several phases
    EQUAL = "any.equal", "equal"
    NOT_MAILABLE = "any.L8", "L8: not mailable on either side"
    ON_RECORD = "any.S22", "S22: consent on record in Shopify, none withdrawn in Mailchimp (M1)"
    OPT_OUT_RECORDED = "any.S22+L5", "S22+L5: the opt-out is recorded"
    BOUNCED_THEN_OPTED_IN = "any.L8.hold", "L8: opted in after the bounce; hold as 'needs confirmation'"

    # First sync
    INITIAL_SUBSCRIBED = "initial.S8", "S8: already subscribed on both sides"
    INITIAL_OPT_OUT = "initial.L1", "L1 (S11, S22): opt-out wins unless a later opt-in is proven"
    INITIAL_BOUNCED = (
        "initial.L8",
        "L8: undeliverable in Mailchimp, must not stay mailable in Shopify (reason 'bounced' kept in the ledger)",
    )
    INITIAL_CONFIRMING = "initial.L4", "L4: double opt-in in progress is never bypassed or repeated"
    INITIAL_CARRIED = (
        "initial.S7+S8",
        "S7+S8: Shopify status is carried over, only subscribed contacts are excluded (M1)",
    )
    INITIAL_ARCHIVED = (
        "initial.L9",
        "L9: archiving is the merchant's decision and hides the old status; offered as an explicit choice",
    )
    INITIAL_CREATED = "initial.S6+S7", "S6+S7: created with its Shopify status (M1, M4)"
    INITIAL_KEPT = (
        "initial.S9+S10",
        (
            "S9+S10: Mailchimp subscriber is kept and Shopify is marked subscribed; "
            "L6 consent time, listed in the preview (D1)"
        ),
    )
    INITIAL_OPT_OUT_OVER_UNASKED = (
        "initial.L5",
        "L5 (S11, S22): an explicit opt-out is carried over, it is stronger than 'never asked'",
    )
    INITIAL_UNASKED = "initial.unasked", "equal: never asked / waiting, not mailable"
    INITIAL_CREATED_NON_SUBSCRIBED = "initial.S6+S7.non-subscribed", "S6+S7: created as non-subscribed (M2)"
    INITIAL_OPTED_OUT = "initial.opted-out", "equal: opted out on both sides"
    INITIAL_OPT_OUT_RECORDED = "initial.S7+S8+L5", "S7+S8 and L5: the opt-out is recorded"
    INITIAL_CREATED_OPTED_OUT = (
        "initial.S6+S7.opted-out",
        "S6+S7: created with its Shopify status, i.e. opted out (M2)",
    )
    INITIAL_OWN_CONFIRMATION = "initial.L4.own", "L4: PENDING waits for the person's own confirmation"
    INITIAL_CREATED_UNCONFIRMED = (
        "initial.S6+L4",
        "S6+L4: unconfirmed is not mailable; created as non-subscribed, no second confirmation mail (M2)",
    )
    INITIAL_REDACTED = (
        "initial.L7",
        "L7/F1: erased customer has no address to match and is read-only; privacy workflow only",
    )
    INITIAL_INVALID = (
        "initial.F1",
        "F1: state is internal and read-only; listed under 'needs attention', never written",
    )
    INITIAL_NO_CUSTOMER = (
        "initial.S62",
        (
            "S62: only contacts that appear AFTER the toggle is on create customers; "
            "backfill is a separate explicit action"
        ),
    )
    INITIAL_LATER_OPT_IN = (
        "initial.L3",
        (
            "L3: Shopify opt-in provably later than the Mailchimp opt-out; if refused (F6) hold for review, "
            "no bulk confirmation mail (L4)"
        ),
    )
    INITIAL_BOUNCED_THEN_OPTED_IN = (
        "initial.L8.hold",
        "L8: opted in again after the bounce; hold as 'undeliverable, needs confirmation'",
    )
    INITIAL_UNARCHIVED = "initial.L3+L9", "L3+L9: opted in after the contact was archived"
    INITIAL_LATER_OPT_OUT = (
        "initial.D1+L2",
        "D1/L2: the Shopify opt-out is provably later than the Mailchimp opt-in",
    )

    # Something was changed in Shopify
    OPTED_IN_AGAIN = (
        "ongoing.S21+S25",
        "S21+S25: later opt-in resubscribes; if Mailchimp refuses (F6) set pending so the person confirms (F7)",
    )
    OPTED_IN_BOUNCED = (
        "ongoing.S25+L8",
        (
            "S25+L8: opted in again on a bounced address; Mailchimp will refuse (F6) so set pending, "
            "the confirmation proves the address"
        ),
    )
    ALREADY_ASKED = "ongoing.L4", "L4: Mailchimp already asked for confirmation; do not bypass or repeat it"
    OPTED_IN = "ongoing.S18+S25", "S18+S25: consent on record in Shopify, none withdrawn in Mailchimp (M1)"
    OPTED_IN_ARCHIVED = "ongoing.S25+L9", "S25+L9: a new opt-in un-archives; if refused (F6) set pending"
    OPTED_IN_NEW = "ongoing.S18", "S18: create as subscribed (M1, M4)"
    CONFIRMED_IN_SHOPIFY = (
        "ongoing.S25+L4",
        "S25+L4: the person confirmed in Shopify's double opt-in (CONFIRMED_OPT_IN)",
    )
    STALE_OPT_IN = "ongoing.L1+L10", "L1/L10: stale event, the Mailchimp opt-out came later"
    MAILCHIMP_OPT_OUT = (
        "ongoing.S24+L1",
        "S24+L1: no new opt-in in this event, so the Mailchimp opt-out is carried to Shopify",
    )
    RENEWED = "ongoing.S21+M7", "S21+M7: consent renewed after the opt-out; if refused (F6) set pending"
    BOUNCED = "ongoing.L8", "L8: undeliverable, must not stay mailable in Shopify"
    ARCHIVED = "ongoing.L9", "L9: archived by the merchant, no newer opt-in"
    CREATED = "ongoing.S13+S22", "S13+S22: create as subscribed (M1, M4)"
    OPTED_OUT = "ongoing.S23", "S23: opt-out is carried to Mailchimp"
    STILL_OPTED_OUT = "ongoing.S22+L1", "S22+L1: opt-out is carried to Mailchimp"
    LATER_MAILCHIMP_OPT_IN = (
        "ongoing.S26+L3",
        "S26+L3: the Mailchimp opt-in is provably later than this opt-out",
    )
    OUT_ON_BOTH = "ongoing.opted-out", "equal: not mailable on either side"
    OPT_OUT_CANCELS = "ongoing.S23+L5.cancels", "S23+L5: opt-out cancels the open request"
    ASKED_AGAIN = (
        "ongoing.L4.asked-again",
        "L4: the person asked again in Mailchimp; wait for the confirmation",
    )
    NEW_OPT_OUT_RECORDED = "ongoing.S23+L5", "S23+L5: the opt-out is recorded"
    OPT_OUT_ARCHIVED = (
        "ongoing.L9.opted-out",
        "L9: not mailable; opt-out kept in the ledger and applied if un-archived",
    )
    CREATED_OPTED_OUT = "ongoing.S13+L5", "S13+L5: create as opted out so no later import can mail it (M2)"
    NOT_TICKED = (
        "ongoing.S20+S22",
        "S20+S22: not ticking a box is no withdrawal; Shopify is aligned with the existing opt-in (L6)",
    )
    KNOWN_OPT_OUT = "ongoing.S22+L5", "S22+L5: known opt-out is carried to the customer record"
    UNASKED = "ongoing.unasked", "not mailable on either side"
    CREATED_NON_SUBSCRIBED = "ongoing.S19", "S19: created as non-subscribed (M2)"
    OTHER_ADDRESS_NOT_TICKED = (
        "ongoing.M6+S20+S22",
        (
            "identity change is judged per e-mail address; S20+S22: not ticking a box is no withdrawal; "
            "Shopify is aligned with the existing opt-in (L6)"
        ),
    )
    OTHER_ADDRESS_OPT_OUT = (
        "ongoing.M6+S22+L5",
        "identity change is judged per e-mail address; S22+L5: known opt-out is carried to the customer record",
    )
    OTHER_ADDRESS_UNASKED = (
        "ongoing.M6",
        "identity change is judged per e-mail address; not mailable on either side",
    )
    OTHER_ADDRESS_CREATED = (
        "ongoing.M6+S19",
        "identity change is judged per e-mail address; S19: created as non-subscribed (M2)",
    )
    AWAITING_SUBSCRIBED = "ongoing.S20", "S20: wait for the person's confirmation in Shopify"
    AWAITING = "ongoing.L4.awaiting", "L4: wait for the person's confirmation in Shopify"
    CREATED_UNCONFIRMED = (
        "ongoing.L4.created",
        "L4: unconfirmed is not mailable; created as non-subscribed (M2)",
    )
    ERASURE = "ongoing.L7", "L7: erasure request stops marketing at once, then the erase workflow runs"
    ERASED = "ongoing.L7.erased", "L7: privacy workflow only"
    INVALID = (
        "ongoing.F1",
        "F1: no consent evidence in INVALID; contact flagged, Mailchimp judges deliverability itself",
    )
    CUSTOMER_GONE = "ongoing.S87", "S87: deleting a customer is not an opt-out; the contact stays (M8)"

    # Something was changed in Mailchimp
    CONTACT_OPTED_OUT = "webhook.S24", "S24"
    CONTACT_BOUNCED = (
        "webhook.L8",
        "L8: bounced (reason hard) or complained (reason abuse = opt-out); not mailable any more",
    )
    CONTACT_CONFIRMING = (
        "webhook.L4",
        "L4: no consent yet; Shopify follows when the confirmation arrives",
    )
    CONTACT_ARCHIVED = (
        "webhook.L9",
        "L9: archived or removed by the merchant (unsubscribe webhook with action 'delete') is not an opt-out",
    )
    CONTACT_DELETED = (
        "webhook.M4",
        "M4: permanently deleted; tombstone kept, not recreated without a new opt-in",
    )
    CONTACT_SUBSCRIBED = "webhook.S26", "S26: subscribed in Mailchimp, so subscribed in Shopify (L6)"
    CONTACT_OPT_OUT_RECORDED = "webhook.S24+L5", "S24+L5: explicit opt-out recorded"
    OPT_OUT_OVER_REQUEST = "webhook.S24+L5.request", "S24+L5: the opt-out is newer than the open request"
    CUSTOMER_READ_ONLY = "webhook.F1", "F1: Shopify state is read-only"
    CUSTOMER_CREATED = (
        "webhook.S60+S62",
        "S60+S62: only if 'Create New Customers' is active, otherwise NONE",
    )
    CUSTOMER_CREATED_UNASKED = (
        "webhook.S60+S62.non-subscribed",
        "S60+S62: only if 'Create New Customers' is active; created without consent",
    )
    NO_CUSTOMER_FROM_OPT_OUT = "webhook.L5", "L5: never create a customer from an opt-out"
    DELAYED_OPT_OUT = (
        "webhook.S21+L10",
        "S21+L10: delayed webhook, the person opted in again in Shopify afterwards; if refused (F6) set pending",
    )
    DELAYED_OPT_IN = (
        "webhook.L1+L10",
        "L1/L10: delayed webhook, the person opted out in Shopify afterwards",
    )
    NEWER_REQUEST = "webhook.L4.request", "L4: a newer request is waiting for confirmation"

    # Beside the table: its modifiers M1, M2 and M4, which need a setting or something remembered
    CONFIRM_FIRST = "setting.M1", "M1: double opt-in audience, so the person confirms this new opt-in first"
    NON_SUBSCRIBED_OFF = "setting.M2", "M2: customers who are not subscribed are not added (setting)"
    REFUSED = "memory.M4", "M4: Mailchimp refused this opt-in for good; not tried again without a new one"


FRESH_OPT_IN = frozenset(
    {
        Rule.OPTED_IN_AGAIN,
        Rule.OPTED_IN_BOUNCED,
        Rule.OPTED_IN,
        Rule.OPTED_IN_ARCHIVED,
        Rule.OPTED_IN_NEW,
        Rule.RENEWED,
        Rule.DELAYED_OPT_OUT,
    }
)
"""The person opted in a moment ago. Only here may a confirmation mail follow (L4), so only here does M1 apply."""

CONFIRM_IF_REFUSED = frozenset(
    {
        Rule.OPTED_IN_AGAIN,
        Rule.OPTED_IN_BOUNCED,
        Rule.OPTED_IN_ARCHIVED,
        Rule.RENEWED,
        Rule.DELAYED_OPT_OUT,
    }
)
"""Where Mailchimp refuses `subscribed` (F6), write `pending` once, so that the person confirms (F7)."""
