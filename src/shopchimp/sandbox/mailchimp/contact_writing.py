"""The rules of a write to `/audiences/{id}/contacts` (mailchimp.md section 6, BETA; consent.md F6 for the address)."""

from typing import Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.announcing import glimpse
from shopchimp.sandbox.mailchimp.audience import (
    OPT_GIVEN,
    SMS_ARCHIVED,
    SMS_ONLY,
    WITHOUT_ADDRESS,
    Audience,
    Member,
    digest_of_phone,
)
from shopchimp.sandbox.mailchimp.contact_body import Consent, ContactBody
from shopchimp.sandbox.mailchimp.sms import Sms, with_consent, with_phone
from shopchimp.sandbox.mailchimp.wire import Problem, schema_problem
from shopchimp.sandbox.mailchimp.writing import already_member, checked_merge, create, update

_SENDS: Final = frozenset({"approved", "404"})


def write(
    account: Account, audience: Audience, member: Member | None, given: ContactBody, *, strict: bool, quiet: bool
) -> Member:
    """Create or change one contact. Everything is checked before anything is changed."""
    sms = _sms(account, audience, member, given)
    if member is None:
        member = _create(audience, given, strict=strict)
        _lay_on(audience, member, given, sms)
        audience.touch(member)
        kinds = {"contact", "consent"} if member.email else {"contact"}
        kinds |= {"sms"} if sms else set()
        account.wrote(audience, member, frozenset(kinds), None, quiet=quiet)
        return member
    before, tags, opt_at = glimpse(member), member.tags, member.opt_at
    status = _status(audience, member, given)
    changed = set(update(audience, member, given.as_member(), status, skip_required=not strict))
    _lay_on(audience, member, given, sms)
    changed |= {"sms"} if member.sms != before.sms else set()
    changed |= {"tags"} if member.tags != tags else set()
    changed |= {"consent"} if member.opt_at != opt_at else set()
    if changed:
        audience.touch(member)
    account.wrote(audience, member, frozenset(changed), before, quiet=quiet)
    return member


def archive(audience: Audience, member: Member) -> None:
    audience.set_status(member, SMS_ARCHIVED if member.status in WITHOUT_ADDRESS else "archived")
    audience.touch(member)


def _create(audience: Audience, given: ContactBody, *, strict: bool) -> Member:
    if given.email is not None:
        status = _email_status(audience, given.email_consent) or "transactional"
        return create(audience, given.as_member(), status, skip_required=not strict)
    if given.phone is None:
        raise schema_problem([("email_channel", "A contact needs an email address or a phone number.")])
    digest = digest_of_phone(given.phone)
    if digest in audience.forgotten:
        said = f"{given.phone} was permanently deleted and cannot be re-imported."  # exact text UNVERIFIED
        raise Problem(400, "Forgotten Email Not Subscribed", said, untyped=True)
    merge = checked_merge(audience, b"{}", given.as_member(), skip_required=not strict)
    member = audience.add("", SMS_ONLY, digest)
    member.merge = merge
    if given.language is not None:
        member.put("language", given.language)
    return member


def _sms(account: Account, audience: Audience, member: Member | None, given: ContactBody) -> Sms | None:
    """The SMS channel as it will be; refused where it cannot be."""
    stored = member.sms if member is not None else None
    if given.phone is None and given.sms_consent is None:
        return stored
    if account.switches.sms_programme not in _SENDS:
        said = "SMS is not enabled for this audience."  # exact text UNVERIFIED
        raise Problem(400, "Invalid Resource", said, errors=[("sms_channel", said)])
    phone = given.phone or (stored.phone if stored else None)
    if phone is None:
        raise schema_problem([("sms_channel.sms_phone", "This value should not be blank.")])
    holder = audience.by_phone(phone)
    if holder is not None and holder is not member:
        said = f"{phone} already belongs to another contact of this audience."  # exact text UNVERIFIED
        raise Problem(400, "Invalid Resource", said, errors=[("sms_channel.sms_phone", said)])
    sms = with_phone(stored, phone, account.now())
    word = given.sms_consent
    if word is None:
        return sms
    return with_consent(sms, word.status, captured_at=word.captured_at, source=word.source, now=account.now())


def _email_status(audience: Audience, word: Consent | None) -> str | None:
    """Consent in the words of `/lists/.../members`; None leaves the status alone."""
    if word is None:
        return None
    match word.status:
        case "confirmed":
            return "subscribed"
        case "consented":
            return "pending" if audience.double_optin else "subscribed"
        case "denied":
            return "unsubscribed"
    return "transactional"


def _status(audience: Audience, member: Member, given: ContactBody) -> str | None:
    """The status a known contact gets. Any consent brings an archived one back; that it does is UNVERIFIED."""
    word = _email_status(audience, given.email_consent)
    if word == "transactional" and member.status not in ("subscribed", "pending", "archived", SMS_ONLY, SMS_ARCHIVED):
        word = None  # not knowing undoes no denial
    gains_address = given.email is not None and not member.email
    if given.email_consent is not None and not (member.email or given.email):
        raise schema_problem([("email_channel.email", "This value should not be blank.")])
    if gains_address:
        return word or "transactional"
    if word is None and given.sms_consent is not None:
        if member.status == "archived":
            return "transactional"
        if member.status == SMS_ARCHIVED:
            return SMS_ONLY
    return word


def _lay_on(audience: Audience, member: Member, given: ContactBody, sms: Sms | None) -> None:
    """What `/lists/.../members` does not know."""
    if sms != member.sms:
        audience.set_sms(member, sms)
        if not member.email and sms is not None:
            audience.set_address(member, "", digest_of_phone(sms.phone))
    if given.add_tags or given.remove_tags:
        member.tags = audience.with_tags(member, given.add_tags, given.remove_tags)
    word = given.email_consent
    if word is not None:
        if word.source:
            member.put("email_consent_source", word.source)
        # An older date than the stored one is ignored; without one the time of the call stands.
        if word.captured_at is not None and member.status == "subscribed":
            fresh = not member.flags & OPT_GIVEN
            if fresh or word.captured_at > member.opt_at:
                member.opt_at = word.captured_at
                member.flags |= OPT_GIVEN


def already_here(member: Member) -> Problem:
    return already_member(member.email or (member.sms.phone if member.sms else ""))
