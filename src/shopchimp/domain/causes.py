"""The catalogue of causes: a stable code for everything that can stop or skip a write, with the merchant's words.

Pages, API and log all print from here, so one thing has one sentence. `tone` follows ux.md 3.3: "warning" passes by
itself, "critical" needs the merchant, "neutral" is by design.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """What the merchant reads: what happened, what it means or what to do, and whether they must act."""

    title: str
    explanation: str
    tone: str


def _neutral(title: str, explanation: str) -> Cause:
    return Cause(title, explanation, "neutral")


def _passing(title: str, explanation: str = "Nothing to do: shopchimp tries again by itself.") -> Cause:
    return Cause(title, explanation, "warning")


def _act(title: str, explanation: str) -> Cause:
    return Cause(title, explanation, "critical")


CAUSES: dict[str, Cause] = {
    "mc_access_revoked": _act("Mailchimp access was withdrawn", "Reconnect Mailchimp. Waiting changes are kept."),
    "mc_role_too_low": _act(
        "This Mailchimp user can't change audiences", "Connect as an Admin or Owner of the account."
    ),
    "mc_audience_gone": _act("The audience no longer exists", "Choose another audience and make a new preview."),
    "mc_compliance_state": _neutral(
        "This contact opted out or bounced",
        "Mailchimp lets only the person come back, through a Mailchimp form. Nothing was sent to them.",
    ),
    "mc_forgotten": _neutral("This contact was deleted for good", "Only the person can join the audience again."),
    "mc_email_refused": _act("Mailchimp refused the email address", "Correct the address on the customer in Shopify."),
    "mc_too_many_signups": _passing(
        "Mailchimp holds this address back for now", "It signed up to many audiences lately. Try again in a day."
    ),
    "mc_field_required": _act("The audience requires a field", "Make it optional in Mailchimp or match a field to it."),
    "mc_field_value": _act("A value doesn't fit the Mailchimp field", "Check the field's type in Mailchimp."),
    "mc_plan_limit": _act("Your Mailchimp plan is full", "Upgrade, or archive contacts in Mailchimp."),
    "mc_rejected": _act("Mailchimp refused this", "Mailchimp's own words are under technical details."),
    "mc_ignored": _neutral(
        "Mailchimp kept its own status", "It answered without an error, but didn't change the contact's consent."
    ),
    "mc_not_found": _neutral("The contact is no longer in the audience", "It was removed since the preview was made."),
    "mc_contact_exists": _neutral(
        "The contact joined meanwhile", "It wasn't in the audience when the preview was made."
    ),
    "mc_slow_down": _passing("Mailchimp asked us to slow down"),
    "mc_unreachable": _passing("Mailchimp isn't answering"),
    "sh_access_revoked": _act("Shopify access ended", "Open shopchimp from your Shopify admin once."),
    "sh_scope_missing": _act("A Shopify permission is missing", "Open the app in Shopify and allow the permission."),
    "sh_shop_frozen": _act("The store is frozen", "Shopify allows no changes until the store's plan is settled."),
    "sh_shop_locked": _act("The store is locked", "Shopify allows no changes for now. Ask Shopify's support."),
    "sh_shop_gone": _act("The store doesn't answer to this name any more", "Reinstall shopchimp from Shopify."),
    "sh_customer_gone": _neutral("The customer was deleted in Shopify", "Nothing to do."),
    "sh_rejected": _act("Shopify refused this change", "Shopify's own words are under technical details."),
    "sh_too_early": _passing("Shopify's clock is behind ours"),
    "sh_slow_down": _passing("Shopify asked us to slow down"),
    "sh_bulk_busy": _passing("Shopify is busy with other exports of this store"),
    "sh_bulk_failed": _passing("Shopify couldn't finish the export of customers"),
    "sh_unreachable": _passing("Shopify isn't answering"),
    "sh_unknown_host": _act(
        "Shopify's export is on an address we don't know", "The operator can add the host to SHOPCHIMP_DOWNLOAD_HOSTS."
    ),
    "no_email": _neutral("No email address", "Mailchimp contacts need one."),
    "bad_email": _neutral("Not an email address", "Correct the address on the customer in Shopify."),
    "duplicate_email": _neutral("Same address as another customer", "The contact belongs to the first of them."),
    "no_customer": _neutral("Not a customer of the store", "Creating customers from contacts is off."),
    "non_subscribed_off": _neutral("Not subscribed", "Adding people who aren't subscribed is off in the options."),
    "redacted": _neutral("Erased in Shopify", "Personal data of this customer was erased; nothing is synced."),
    "invalid": _neutral(
        "Shopify marks the address as invalid", "Consent can't be read or written until it is corrected."
    ),
    "needs_confirmation": _neutral("Waiting for the person", "They opted in after a bounce and have to confirm it."),
    "changed_in_mailchimp": _neutral(
        "Changed in Mailchimp since the preview", "Left as it is now; live sync looks at this person again."
    ),
    "changed_in_shopify": _neutral(
        "Changed in Shopify since the preview", "Left as it is now; live sync looks at this person again."
    ),
    "sh_client_secret": _act("Shopify refused the app's own secret", "The operator has to set the app secret anew."),
    "invalid_subject_token": _act("The session with Shopify ran out", "Open shopchimp from your Shopify admin again."),
    "invalid_grant": _act("Access ran out", "Open shopchimp from your Shopify admin again, or reconnect Mailchimp."),
    "mc_client_secret": _act("Mailchimp refused the app's own secret", "The operator has to set the app secret anew."),
    "mc_unknown_host": _act(
        "Mailchimp named an address we don't know", "The operator can set SHOPCHIMP_MAILCHIMP_API_URL."
    ),
    "awaiting_confirmation": _neutral("Waiting for the person", "They were asked to confirm and haven't yet."),
    "archived": _neutral("Archived in Mailchimp", "Archiving is your decision; the contact isn't brought back."),
    "deleted": _neutral("Deleted in Mailchimp", "The contact isn't made again without a new opt-in."),
    "refused": _neutral("Refused by Mailchimp", "This opt-in was refused; a newer one is tried again."),
    "unknown_status": _act(
        "A status we don't know", "Mailchimp says something new about this contact. We left it alone."
    ),
    "sms_off": _neutral("SMS sync is off", "SMS consent isn't synced. Email consent is a choice of its own."),
    "sms_first_sync": _neutral("SMS sync waits for the first sync", "It can be switched on when that has finished."),
    "sms_no_programme": _act(
        "No approved SMS programme", "Apply for SMS marketing in Mailchimp; texts are synced once it is approved."
    ),
    "sms_programme_pending": _passing(
        "The SMS programme waits for approval", "Mailchimp and the phone carriers check it. Come back in a few days."
    ),
    "sms_programme_paused": _act(
        "The SMS programme can't send now", "Look at SMS in Mailchimp: credits or a plan may be missing."
    ),
    "sms_before_start": _neutral(
        "Subscribed to SMS before the start date", "Not synced. An earlier date in the settings includes this person."
    ),
    "sms_unknown_time": _neutral(
        "Shopify doesn't say when they subscribed to SMS",
        "Not synced: nothing proves that it was after the start date.",
    ),
    "sms_no_phone": _neutral("No phone number", "Shopify has SMS consent, but no number for it."),
    "sms_bad_phone": _act(
        "Not an international phone number", "Correct the number on the customer in Shopify, with its country code."
    ),
    "sms_phone_taken": _neutral(
        "Another contact has this phone number", "Two people share it. It stays with the first of them."
    ),
    "sms_stopped": _neutral(
        "Opted out of SMS in Mailchimp", "Not subscribed again unless they opt in later than that in Shopify."
    ),
    "sms_refused": _neutral("Mailchimp refused the SMS subscription", "A newer opt-in is tried again."),
    "sms_awaiting": _neutral("Waiting for the person", "Mailchimp texted them to confirm, and they haven't yet."),
    "sms_joined_again": _neutral(
        "Subscribed to SMS again in Mailchimp", "They joined after the opt-out in Shopify was carried over."
    ),
    "sms_unknown_state": _act("An SMS status we don't know", "A platform says something new. We left it alone."),
    "sms_opt_out_refused": _act(
        "Mailchimp didn't take the SMS opt-out", "Unsubscribe this contact from SMS in Mailchimp by hand, today."
    ),
    "tag_too_long": _neutral("A tag is too long for Mailchimp", "Tags of more than 100 characters aren't synced."),
    "field_edited": _neutral(
        "Edited in Mailchimp", "This field goes from Shopify to Mailchimp only, so the customer keeps its value."
    ),
    "sh_taken": _neutral("The customer exists already", "Another customer has this email address."),
    "sh_phone_taken": _act(
        "Another customer has this phone number", "Shopify allows a number once. Remove one of them."
    ),
    "sh_metafield_refused": _act(
        "Shopify refused a customer's metafields", "Shopify's own words are under technical details."
    ),
    "sh_field_value": _act("Shopify refused a value", "Correct it on the contact in Mailchimp."),
    "bounced": _neutral("Mail to this address bounces", "By your settings Shopify is left as it is."),
    "dropped": _neutral("You dropped this opt-in", "It was held as unusual and isn't tried again without a newer one."),
    "many_changes": _act("Many opt-ins within an hour", "They are held until you let them go or drop them."),
    "same_time": _act("Many opt-ins at the same second", "They are held until you let them go or drop them."),
    "many_opt_outs": _act("Many opt-outs within an hour", "They were synced. Look where they came from."),
    "no_contact": _neutral(
        "The buyer is no contact", "Only subscribed customers are synced, so what others buy isn't sent to Mailchimp."
    ),
    "marketplace_email": _neutral(
        "A marketplace's address", "It stands for one order and isn't the buyer's own, so nothing is sent to Mailchimp."
    ),
    "test_order": _neutral("A test order", "It was paid with a test gateway; Mailchimp would count it as revenue."),
    "cart_empty": _neutral("An empty cart", "Mailchimp takes no cart without products."),
    "cart_completed": _neutral("The cart became an order", "An order in Mailchimp takes the place of its cart."),
    "automatic_discount": _neutral(
        "A discount without a code", "It applies by itself, so no mail needs a code for it."
    ),
    "buy_x_get_y": _neutral(
        "Buy X get Y", "Mailchimp has no such type of promo code. It works in your store as before."
    ),
    "app_discount": _neutral(
        "Another app's discount", "Its worth is computed at the checkout, so Mailchimp can't be told of it."
    ),
    "discount_value": _neutral(
        "A value that Mailchimp doesn't take", "It takes a percentage from 1 to 100, a fixed amount, or free shipping."
    ),
    "discount_currency": _neutral(
        "Another currency", "The amount isn't in the store's currency, in which Mailchimp would show it."
    ),
    "unknown_discount": _neutral(
        "A type of discount we don't know", "Shopify has made it since. It works in your store as before."
    ),
    "code_too_long": _neutral("The code is too long for Mailchimp", "Codes of more than 50 characters aren't synced."),
    "mc_store_gone": _act(
        "The store was deleted in Mailchimp", "Compare again from the overview: the sync makes it anew with all orders."
    ),
    "mc_product_missing": _passing(
        "Mailchimp doesn't have the product yet", "The product is sent first, then this is tried again."
    ),
    "mc_customer_missing": _passing(
        "Mailchimp doesn't have the buyer yet", "The customer is sent first, then this is tried again."
    ),
    "mc_rule_missing": _passing(
        "Mailchimp doesn't have the discount yet", "The discount is sent first, then this is tried again."
    ),
    "mc_not_in_audience": _neutral(
        "The buyer is not in the audience", "Mailchimp takes orders and carts of contacts only, and this one is gone."
    ),
    "mc_exists": _act(
        "Mailchimp has something else under this id", "Mailchimp's own words are under technical details."
    ),
    "mc_email_fixed": _act(
        "Mailchimp kept the customer's old address", "Mailchimp's own words are under technical details."
    ),
    "mc_store_domain_taken": _neutral(
        "Another store in this Mailchimp account has the domain", "shopchimp's store works without it."
    ),
    "sums_open": _act(
        "The sums don't close",
        "Shopify has more than we have seen. shopchimp looks for the rest by itself; look again.",
    ),
    "pixel_no_extension": _act(
        "The web pixel isn't deployed",
        "Whoever runs shopchimp deploys it to Shopify once. It is tried again every hour; everything else is synced.",
    ),
    "pixel_other_version": _act(
        "The web pixel in Shopify is another version",
        "Whoever runs shopchimp deploys the one of this version. It is tried again every hour; the rest is synced.",
    ),
    "pixel_refused": _act(
        "Shopify refused the web pixel", "Its own words are below. It is tried again every hour; the rest is synced."
    ),
    "pixel_inactive": _passing(
        "Store events aren't arriving",
        "Either the visitors who bought since declined marketing, or the pixel doesn't run in your store."
        " Everything else is synced.",
    ),
    "internal": _act("Something went wrong on our side", "We've been told. The reference is in the log."),
}


def cause(code: str) -> Cause:
    """The words for a code; an unknown one reads as our own fault rather than as nothing."""
    return CAUSES.get(code, CAUSES["internal"])
