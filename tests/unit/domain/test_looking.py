"""One look at one person, branch by branch: what is asked for, what is written, what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopchimp.domain.consent import ContactConsent, ContactStatus, CustomerConsent, CustomerState, Known
from shopchimp.domain.fields import FieldMap, Source
from shopchimp.domain.looking import look_at
from shopchimp.domain.outcomes import Intent
from shopchimp.domain.profile import ProfileOptions
from shopchimp.domain.records import Contact, Customer, Person, ProfileIntent, Sides
from shopchimp.domain.sms import ContactSms, CustomerSms, Gate, SmsState, SmsStatus
from shopchimp.domain.steps import (
    CreateCustomer,
    Done,
    Hint,
    Intend,
    LiveOptions,
    Look,
    MoveContact,
    Outcome,
    Permit,
    Read,
    Refused,
    UpdateCustomer,
    WriteConsent,
    WriteContact,
    WriteSms,
)
from shopchimp.domain.tags import TagChoice, TagRules

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
KEY = "ann@example.com"
SUB, NOT, UNSUB = CustomerState.SUBSCRIBED, CustomerState.NOT_SUBSCRIBED, CustomerState.UNSUBSCRIBED
IN, OUT, CLEANED, PENDING, UNASKED, ARCHIVED, ABSENT = (
    ContactStatus.SUBSCRIBED,
    ContactStatus.UNSUBSCRIBED,
    ContactStatus.CLEANED,
    ContactStatus.PENDING,
    ContactStatus.TRANSACTIONAL,
    ContactStatus.ARCHIVED,
    ContactStatus.ABSENT,
)
_PLAIN = LiveOptions(profile=ProfileOptions(FieldMap((("FNAME", Source.FIRST_NAME),), frozenset({"FNAME"}))))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def customer(state: CustomerState, second: float | None = 0, *, name: str = "Ann", **more: Any) -> Customer:
    moment = None if second is None else at(second)
    return Customer(
        1, more.pop("key", KEY), more.pop("email", KEY), CustomerConsent(state, moment), {"first_name": name}, **more
    )


def contact(
    status: ContactStatus, opted: float | None = -1000, changed: float = -900, *, name: str = "Ann", **more: Any
) -> Contact:
    consent = ContactConsent(status, None if opted is None else at(opted), at(changed))
    return Contact("m1", KEY, KEY, consent, {"FNAME": name}, **{"tags": (), **more})


def person(state: CustomerState, status: ContactStatus, **more: Any) -> Person:
    known = Known(state, status, opted_in_at=at(-1000) if status in (IN, OUT) else None)
    return Person(KEY, more.pop("known", known), id=1, customer_id=1, **{"fields": {"FNAME": "Ann"}, **more})


@dataclass
class Played:
    """What a look did: its steps in order, and what it came to."""

    outcome: Outcome
    steps: list[Any] = field(default_factory=list)

    def writes(self) -> list[Any]:
        return [each for each in self.steps if not isinstance(each, Read | Permit | Intend | Look)]

    def statuses(self) -> list[ContactStatus | None]:
        return [each.status for each in self.steps if isinstance(each, WriteContact)]

    def kinds(self) -> list[type]:
        return [type(each) for each in self.steps]


def look(
    who: Person,
    sides: Sides | tuple[Customer | None, Contact | None],
    *answers: Any,
    hint: Hint | None = None,
    options: LiveOptions = _PLAIN,
    permit: bool = True,
    again: Callable[[bool], Any] | None = None,
) -> Played:
    """Play a look; `answers` are those to the writes, in order (Done where they run out)."""
    sides = sides if isinstance(sides, Sides) else Sides(KEY, *sides)
    waiting = list(answers)
    steps: list[Any] = []
    looking = look_at(who, hint or Hint(at(100)), options)
    step = next(looking)
    try:
        while True:
            steps.append(step)
            match step:
                case Read():
                    answer: Any = sides
                case Permit():
                    answer = permit
                case Intend():
                    answer = None
                case Look(contact=of_contact):
                    answer = again(of_contact) if again else _still(sides, contact_=of_contact)
                case _:
                    answer = waiting.pop(0) if waiting else Done(customer_id=7)
            step = looking.send(answer)
    except StopIteration as end:
        assert not waiting
        return Played(end.value, steps)


def _still(sides: Sides, *, contact_: bool) -> Any:
    if contact_:
        return sides.contact.consent if sides.contact else ContactConsent(ABSENT)
    return sides.customer.consent if sides.customer else CustomerConsent(CustomerState.ABSENT)


# --- the order of steps


def test_an_opt_in_is_permitted_intended_looked_at_and_written() -> None:
    """S18, S25: never written before it is stored and seen once more; and with the time of the choice."""
    played = look(person(NOT, UNASKED), (customer(SUB, 10), contact(UNASKED, None)))
    assert played.kinds() == [Read, Permit, Intend, Look, WriteContact]
    (write,) = played.writes()
    assert (write.status, write.opted_in_at) == (IN, at(10))
    assert (played.outcome.known.customer, played.outcome.known.contact) == (SUB, IN)


def test_an_opt_out_asks_nobody() -> None:
    """S23: the breaker never stands between a person and their opt-out."""
    played = look(person(SUB, IN), (customer(UNSUB, 10), contact(IN)), permit=False)
    assert played.kinds() == [Read, Intend, Look, WriteContact]
    assert played.statuses() == [OUT]


def test_a_new_customer_without_opt_in_is_non_subscribed() -> None:
    """S19: transactional, not unsubscribed."""
    played = look(Person(KEY, Known(CustomerState.ABSENT, ABSENT)), (customer(NOT, None), None))
    (write,) = played.writes()
    assert (write.status, write.contact_id) == (UNASKED, None)


def test_not_ticking_a_box_leaves_a_subscriber_alone() -> None:
    """S20, S22: the contact is untouched, Shopify is aligned with the opt-in and its own date."""
    played = look(person(CustomerState.ABSENT, IN), (customer(NOT, None), contact(IN, -50, -50)))
    (write,) = played.writes()
    assert isinstance(write, WriteConsent)
    assert (write.push.customer_state, write.push.consent_at) == (SUB, at(-50))


def test_an_opt_in_after_an_opt_out_subscribes_again() -> None:
    """S21."""
    assert look(person(UNSUB, OUT), (customer(SUB, 10), contact(OUT))).statuses() == [IN]


@pytest.mark.parametrize(("status", "state"), [(OUT, UNSUB), (IN, SUB)])
def test_what_mailchimp_says_goes_to_shopify(status: ContactStatus, state: CustomerState) -> None:
    """S24, S26: with the time at which it was said."""
    before = person(SUB, IN) if status is OUT else person(UNSUB, OUT)
    opted = -1000 if status is OUT else 50
    played = look(before, (customer(before.known.customer, -500), contact(status, opted, 50)))
    (write,) = played.writes()
    assert (write.push.customer_state, write.push.consent_at) == (state, at(50))


@pytest.mark.parametrize("of", ["the state", "only the time"])
def test_a_side_that_moved_since_is_looked_at_anew(of: str) -> None:
    """Reliability 0.7: in, out and in again is told by the time, not by the value."""
    moved = ContactConsent(OUT, at(-1000), at(90)) if of == "the state" else ContactConsent(IN, at(90), at(90))
    played = look(person(SUB, IN), (customer(UNSUB, 10), contact(IN)), again=lambda _: moved)
    assert (played.writes(), played.outcome.again, played.outcome.known) == ([], True, person(SUB, IN).known)


def test_a_customer_that_moved_since_is_looked_at_anew() -> None:
    moved = CustomerConsent(SUB, at(95))
    played = look(person(SUB, IN), (customer(SUB, -500), contact(OUT, -1000, 50)), again=lambda _: moved)
    assert (played.writes(), played.outcome.again) == ([], True)


@pytest.mark.parametrize("side", ["customer", "contact", "none"])
def test_both_moved_to_the_same_is_seen_twice(side: str) -> None:
    """L3: out in the store, in again, then out in Mailchimp, all between the two readings: the last word is out."""
    sides = Sides(KEY, customer(UNSUB, 10), contact(OUT, -1000, 18))
    moved: dict[bool, Any] = {False: CustomerConsent(SUB, at(14)), True: ContactConsent(IN, at(19), at(19))}
    torn = {"customer": False, "contact": True}.get(side)
    played = look(person(SUB, IN), sides, again=lambda of: moved[of] if of is torn else _still(sides, contact_=of))
    assert played.writes() == []
    assert played.outcome.again is (torn is not None)
    assert played.outcome.known.customer is (UNSUB if torn is None else SUB)


def test_a_contact_that_moved_to_what_shopify_says_is_seen_twice() -> None:
    """L3: an opt-in in Shopify between the two readings, and after it in and out again in Mailchimp."""
    sides, since = (customer(UNSUB), contact(OUT, 0, 50)), CustomerConsent(SUB, at(40))
    played = look(person(UNSUB, OUT), sides, again=lambda of: sides[1].consent if of else since)
    assert (played.outcome.again, played.outcome.known) == (True, person(UNSUB, OUT).known)


def test_a_contact_as_it_was_is_not_seen_twice() -> None:
    """Shopify was read before: whatever moved there came after it."""
    assert look(person(SUB, OUT), (customer(UNSUB, 10), contact(OUT, -1000, 18))).kinds() == [Read]
    assert look(person(UNSUB, OUT), (customer(UNSUB, 10), contact(OUT, -1000, 18))).kinds() == [Read]


# --- refusals


COMPLIANCE = Refused("mc_compliance_state", "compliance state")


def test_a_refused_fresh_opt_in_is_asked_to_confirm_once() -> None:
    """S21, F6, F7: `pending`, looked at before, without the date of an opt-in that isn't confirmed."""
    played = look(person(UNSUB, OUT), (customer(SUB, 10), contact(OUT)), COMPLIANCE)
    assert played.statuses() == [IN, PENDING]
    assert played.writes()[1].opted_in_at is None
    assert played.kinds()[-3:] == [Intend, Look, WriteContact]
    after = replace(person(SUB, PENDING), known=played.outcome.known)
    assert look(after, (customer(SUB, 10), contact(PENDING, -1000, 20))).writes() == []


def test_who_opted_out_while_we_wrote_gets_no_confirmation_mail() -> None:
    """F6, L4: it was this opt-out that was refused."""
    before = person(SUB, IN, known=Known(UNSUB, ARCHIVED))
    seen = iter([contact(ARCHIVED).consent, ContactConsent(OUT, at(-1000), at(99))])
    played = look(before, (customer(SUB, 10), contact(ARCHIVED)), COMPLIANCE, again=lambda _: next(seen))
    assert (played.statuses(), played.outcome.again) == ([IN], True)


def test_an_opt_in_refused_twice_is_not_tried_again() -> None:
    """M4, L4: never twice for the same opt-in, but again for a newer one."""
    played = look(person(UNSUB, OUT), (customer(SUB, 10), contact(OUT)), COMPLIANCE, COMPLIANCE)
    assert (played.outcome.reason, played.outcome.known.refused) == ("refused", at(10))
    assert played.outcome.failed is None
    after = person(SUB, OUT, known=played.outcome.known)
    assert look(after, (customer(SUB, 10), contact(OUT, -1000, -900))).writes() == []
    assert look(after, (customer(SUB, 60), contact(OUT, -1000, -900))).statuses() == [IN]


def test_no_mail_for_an_opt_in_that_is_not_fresh() -> None:
    """L4: consent on record is carried; refused, nobody is asked."""
    played = look(person(SUB, UNASKED), (customer(SUB, -500), contact(UNASKED, None)), COMPLIANCE)
    assert (played.statuses(), played.outcome.reason) == ([IN], "refused")


def test_a_status_that_mailchimp_ignored_is_a_refusal() -> None:
    """No error, and not what was asked for either."""
    kept = Done(contact=ContactConsent(OUT, at(-1000), at(-900)), contact_id="m1")
    played = look(person(UNSUB, OUT), (customer(SUB, 10), contact(OUT)), kept)
    assert played.statuses() == [IN, PENDING]


def test_a_forgotten_address_is_remembered() -> None:
    """M4: explained, not failed, and not made again without a new opt-in."""
    played = look(person(UNSUB, ABSENT), (customer(SUB, 10), None), Refused("mc_forgotten"))
    assert (played.outcome.reason, played.outcome.known.deleted, played.outcome.failed) == ("deleted", True, None)
    assert look(person(SUB, ABSENT, known=played.outcome.known), (customer(SUB, 10), None)).writes() == []


def test_who_joined_meanwhile_is_looked_at_again() -> None:
    played = look(person(UNSUB, ABSENT), (customer(SUB, 10), None), Refused("mc_contact_exists"))
    assert (played.outcome.again, played.outcome.known) == (True, person(UNSUB, ABSENT).known)


@pytest.mark.parametrize(("code", "again"), [("sh_customer_gone", True), ("sh_rejected", False)])
def test_shopify_refuses(code: str, again: bool) -> None:
    """A customer who went is looked at again; other refusals are parked, and a retry decides the same."""
    played = look(person(SUB, IN), (customer(SUB, -500), contact(OUT, -1000, 50)), Refused(code, "no"))
    assert (played.outcome.again, played.outcome.failed is None, played.outcome.known) == (
        again,
        again,
        person(SUB, IN).known,
    )


# --- holding back


def test_an_opt_in_held_by_the_breaker() -> None:
    """M9: nothing is written and nothing forgotten; let go, it is written."""
    sides = (customer(SUB, 10), contact(UNASKED, None))
    played = look(person(NOT, UNASKED), sides, permit=False)
    assert (played.writes(), played.outcome.held, played.outcome.known) == ([], True, person(NOT, UNASKED).known)
    allowed = Hint(at(100), allowed=True)
    assert look(person(NOT, UNASKED), sides, permit=False, hint=allowed).statuses() == [IN]


def test_an_opt_in_that_the_merchant_dropped() -> None:
    """M9: that very pair of choices stays as it is; a new choice counts anew."""
    sides = (customer(SUB, 10), contact(UNASKED, None))
    dropped = (SUB.value, at(10).isoformat(), UNASKED.value, None)
    played = look(person(NOT, UNASKED, dropped=dropped), sides)
    assert (played.writes(), played.outcome.reason) == ([], "dropped")
    assert look(person(NOT, UNASKED, dropped=dropped), (customer(SUB, 40), sides[1])).statuses() == [IN]


def test_a_bounce_goes_to_shopify_unless_switched_off() -> None:
    """L8, D2."""
    sides = (customer(SUB, -500), contact(CLEANED, -1000, 50))
    (write,) = look(person(SUB, IN), sides).writes()
    assert write.push.customer_state is UNSUB
    played = look(person(SUB, IN), sides, options=replace(_PLAIN, cleaned_to_customer=False))
    assert (played.writes(), played.outcome.reason) == ([], "bounced")


def test_a_complaint_goes_to_shopify_even_so() -> None:
    """L8: `abuse` is an opt-out, whatever D2 says of bounces."""
    told = Hint(at(100), (at(50),))
    options = replace(_PLAIN, cleaned_to_customer=False)
    played = look(person(SUB, IN), (customer(SUB, -500), contact(CLEANED, -1000, 50)), hint=told, options=options)
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


def test_a_difference_is_said_once() -> None:
    sides = (customer(SUB, -500), contact(ARCHIVED))
    first = look(person(SUB, IN), sides).outcome
    assert ([line.result for line in first.lines], first.reason) == (["skipped"], "archived")
    assert look(person(SUB, ARCHIVED, reason="archived"), sides).outcome.lines == ()


def test_a_double_opt_in_audience_asks_first() -> None:
    """M1, D3."""
    options = replace(_PLAIN, double_optin=True)
    assert look(person(NOT, UNASKED), (customer(SUB, 10), contact(UNASKED, None)), options=options).statuses() == [
        PENDING
    ]


# --- an opt-out that a delivery told


def told(*seconds: float) -> Hint:
    return Hint(at(100), tuple(at(each) for each in seconds))


@pytest.mark.parametrize("status", [ARCHIVED, PENDING, UNASKED])
def test_an_opt_out_hidden_by_what_came_after(status: ContactStatus) -> None:
    """S24, F9: archived, asked anew: the fact stands, and Shopify learns of it."""
    played = look(person(SUB, IN), (customer(SUB, -500), contact(status, -1000, 60)), hint=told(50))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


def test_an_opt_out_of_a_contact_that_was_deleted_since() -> None:
    """S24, M4."""
    played = look(person(SUB, IN), (customer(SUB, -500), None), hint=told(50))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


def test_a_write_of_ours_that_crossed_an_opt_out() -> None:
    """Reliability 3.6: subscribed again by us with Shopify's date; first Shopify, then, looked at again, Mailchimp."""
    crossed = contact(IN, 10, 60)
    played = look(person(SUB, IN), (customer(SUB, 10), crossed), hint=told(50))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]
    assert played.outcome.again
    second = look(person(UNSUB, IN, opted_out_at=at(50)), (customer(UNSUB, 50), crossed))
    assert second.statuses() == [OUT]


def test_an_opt_in_after_the_told_opt_out_stands() -> None:
    """L1: later, provably."""
    assert look(person(SUB, IN), (customer(SUB, 60), contact(IN, 60, 60)), hint=told(50)).writes() == []


def test_an_opt_out_of_the_address_is_not_answered_by_an_older_word_of_who_moved_in() -> None:
    """M6, L1: out there (50); who came with a contact opted in (20) and their record in Shopify out (0) before that."""
    here = person(UNSUB, OUT, opted_out_at=at(50))
    assert look(here, (customer(UNSUB, 0), contact(IN, 20, 60))).statuses() == [OUT]
    again = look(here, (customer(UNSUB, 0), contact(IN, 70, 70))).writes()  # later is later
    assert [each.push.customer_state for each in again] == [SUB]


def test_an_opt_out_of_which_nobody_told_is_not_answered_by_a_confirmation_mail() -> None:
    """L3, L4: out (told), in again within that second, opted in in Shopify, out again, untold: the last one stands."""
    sides = (customer(SUB, 53), contact(OUT, 50, 54))
    played = look(person(NOT, UNASKED, opted_out_at=at(50)), sides)
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


def test_our_own_opt_out_is_no_word_of_the_person() -> None:
    """S21, S25: we unsubscribed them for Shopify; they opted in in Shopify before our own echo came back."""
    sides = (customer(SUB, 48), contact(OUT, -1000, 50))
    assert look(person(UNSUB, OUT, our_opt_out_at=at(50)), sides, hint=told(50)).statuses() == [IN]
    theirs = look(person(UNSUB, OUT), sides, hint=told(50)).writes()
    assert [each.push.customer_state for each in theirs] == [UNSUB]


def test_an_opt_out_told_before_our_own_stands() -> None:
    """L1: out (45), signed up anew unconfirmed, unsubscribed by us for an older word of Shopify's (50); both are told.

    Planted: only the latest is kept, and that one is ours.
    """
    who = person(UNSUB, OUT, our_opt_out_at=at(50))
    sides = (customer(SUB, 44), contact(OUT, -1000, 50))
    assert [each.push.customer_state for each in look(who, sides, hint=told(45, 50)).writes()] == [UNSUB]
    assert look(who, sides, hint=told(50)).statuses() == [IN]


def test_the_first_opt_in_and_an_opt_out_after_it_are_news() -> None:
    """L1, L3: unsubscribed without ever opting in (0), in (10) and, untold, out again by 60; in Shopify in (20)."""
    sides = (customer(SUB, 20), contact(OUT, 10, 60))
    played = look(person(UNSUB, OUT, known=Known(UNSUB, OUT), seen_at=at(0)), sides)
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]
    old = look(person(UNSUB, OUT, known=Known(UNSUB, OUT), seen_at=at(15)), sides)  # nobody noted it then
    assert old.statuses() == [IN]


def test_our_opt_out_that_nobody_recorded_does_not_undo_an_opt_in_made_after_it() -> None:
    """S26: opted out in Shopify (0), unsubscribed by us (45) who died of it, back in Mailchimp (47), carried to Shopify.

    Planted: two seconds count as a tie even by one clock, so the opt-in goes; and so it does, if who saw that it was
    made in Mailchimp dies as well, after writing.
    """
    back = contact(IN, 47, 47)
    first = look(person(SUB, IN, intent=Intent(contact=OUT)), (customer(UNSUB, 0), back), hint=told(45))
    assert [(each.push.customer_state, each.push.consent_at) for each in first.writes()] == [(SUB, at(47))]
    (intend,) = [each for each in first.steps if isinstance(each, Intend)]
    assert intend.came_back_at == at(47)
    for known in (person(SUB, IN), person(SUB, IN, intent=intend.intent)):
        seen = replace(known, opted_out_at=at(45), came_back_at=at(47))
        assert look(seen, (customer(SUB, 47), back)).writes() == []


@pytest.mark.parametrize("second", [47, 48])
def test_an_opt_out_told_after_coming_back_stands(second: float) -> None:
    """L3: in the same second nobody knows which came first; later is later."""
    seen = person(SUB, IN, opted_out_at=at(second), came_back_at=at(47))
    played = look(seen, (customer(SUB, 47), contact(IN, 47, 47)))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


def test_an_opt_in_that_we_carried_is_not_mailchimps_own() -> None:
    """Reliability 3.6: a write of ours may have crossed an opt-out, so Shopify's date in Mailchimp answers nothing."""
    for state in (UNSUB, NOT):
        played = look(person(SUB, IN), (customer(state, 50), contact(IN, 50, 60)))
        assert [each.came_back_at for each in played.steps if isinstance(each, Intend)] == [None]


def test_when_we_unsubscribed_somebody_is_remembered() -> None:
    answer = Done(contact=ContactConsent(OUT, at(-1000), at(33)), contact_id="m1")
    assert look(person(SUB, IN), (customer(UNSUB, 10), contact(IN)), answer).outcome.our_opt_out_at == at(33)


# --- intents


def test_our_own_write_is_no_change_of_theirs() -> None:
    """Reliability 0.6: written, and died before remembering; Shopify moved on since."""
    died = person(UNSUB, OUT, intent=Intent(contact=IN))
    assert look(died, (customer(UNSUB, 60), contact(IN, 10, 20))).statuses() == [OUT]


def test_an_earlier_intent_outlives_a_later_one() -> None:
    """What was written for consent is still ours when a name is about to be written."""
    died = person(UNSUB, OUT, intent=Intent(customer=SUB), fields={"FNAME": "Ann"})
    played = look(died, (customer(SUB, 10, name="Anna"), contact(IN, 10, 10)))
    (intend,) = [each for each in played.steps if isinstance(each, Intend)]
    assert intend.intent.customer is SUB


def died_of_a_name(*, out_at: float = 30, known: Known | None = None) -> Person:
    """Who opted out in Mailchimp, as far as they were remembered by one who carried it over, then wrote a name, and died."""
    who = person(SUB, IN, known=known or Known(SUB, IN, opted_in_at=at(-1000)))
    played = look(who, (customer(SUB, 0, name="Anna"), contact(OUT, changed=out_at)))
    assert [type(each) for each in played.writes()] == [WriteConsent, WriteContact]
    last = [each for each in played.steps if isinstance(each, Intend)][-1]
    return replace(who, intent=last.intent, intended=last.profile)


def test_an_opt_out_is_dated_by_what_was_seen_before_our_own_write_moved_it() -> None:
    """F12, L3: out in Mailchimp (30), untold; a name of ours (50) moved `last_changed`, unrecorded; back in Shopify (51).

    Planted: the opt-in ties with our own write, so it falls. A second death of the same kind changes nothing.
    """
    back, moved = customer(SUB, 51, name="Anna"), contact(OUT, changed=50, name="Anna")
    died = died_of_a_name()
    assert look(died, (back, moved)).statuses() == [IN]
    again = look(died, (customer(SUB, 20, name="Anna"), contact(OUT, changed=50)))
    intend = [each for each in again.steps if isinstance(each, Intend)][-1]
    assert look(replace(died, intent=intend.intent), (back, contact(OUT, changed=60, name="Anna"))).statuses() == [IN]


@pytest.mark.parametrize("second", [0, 30, 31.9, 32])
def test_what_ties_with_the_opt_out_itself_still_falls(second: float) -> None:
    played = look(died_of_a_name(), (customer(SUB, second, name="Anna"), contact(OUT, changed=50, name="Anna")))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


@pytest.mark.parametrize("back", [-500, 30, 31, 40, None])
def test_another_opt_out_is_not_dated_by_the_first(back: float | None) -> None:
    """L1: out (30), seen; back in Mailchimp; in in Shopify (51); out again (52), untold. The last one stands."""
    sides = (customer(SUB, 51, name="Anna"), contact(OUT, back, 52, name="Anna"))
    played = look(died_of_a_name(), sides)
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


@pytest.mark.parametrize("opted", [30, None])
def test_an_opt_out_within_the_second_of_its_opt_in_is_not_dated_by_what_was_seen(opted: float | None) -> None:
    """L3: they may have come back in that very second, and left again since."""
    known = Known(SUB, IN, opted_in_at=None if opted is None else at(opted))
    seen = Intent(UNSUB, out=contact(OUT, opted, 30).consent)
    played = look(person(SUB, IN, known=known, intent=seen), (customer(SUB, 51), contact(OUT, opted, 52)))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


@pytest.mark.parametrize("ours", [IN, PENDING])
def test_an_opt_out_after_what_we_may_have_brought_back_is_another_one(ours: ContactStatus) -> None:
    seen = replace(died_of_a_name(), intent=Intent(UNSUB, ours, contact(OUT, changed=30).consent))
    played = look(seen, (customer(SUB, 51, name="Anna"), contact(OUT, changed=52, name="Anna")))
    assert [each.push.customer_state for each in played.writes()] == [UNSUB]


# --- S60 to S62


CREATING = replace(_PLAIN, create_customers=True, create_since=at(0))
NEW = Person(KEY, Known(CustomerState.ABSENT, ABSENT))


def test_a_new_contact_becomes_a_customer() -> None:
    """S60, S61: only while it is on."""
    played = look(NEW, (None, contact(IN, 10, 10)), Done(customer_id=7), options=CREATING)
    (write,) = played.writes()
    assert isinstance(write, CreateCustomer)
    assert (write.email, write.push.customer_state, write.fields) == (KEY, SUB, {"first_name": "Ann"})
    assert (played.outcome.customer_id, played.outcome.known.customer) == (7, SUB)
    off = look(NEW, (None, contact(IN, 10, 10)))
    assert (off.writes(), off.outcome.reason) == ([], "no_customer")


def test_a_contact_from_before_becomes_none() -> None:
    """S62."""
    assert look(NEW, (None, contact(IN, -10, 10)), options=CREATING).writes() == []
    seen = person(CustomerState.ABSENT, IN)
    assert look(seen, (None, contact(IN, 10, 10)), options=CREATING).writes() == []


@pytest.mark.parametrize("status", [OUT, CLEANED, PENDING, ARCHIVED])
def test_no_customer_from_an_opt_out(status: ContactStatus) -> None:
    """S62, L5."""
    assert look(NEW, (None, contact(status, 10, 20)), options=CREATING).writes() == []
    assert look(NEW, (None, contact(IN, 10, 20)), hint=told(50), options=CREATING).writes() == []


def test_somebody_else_made_the_customer() -> None:
    """S60: never a twin."""
    played = look(NEW, (None, contact(IN, 10, 10)), Refused("sh_taken"), options=CREATING)
    assert played.outcome.again


# --- who is who


def test_a_contact_goes_along_with_its_customer() -> None:
    """M6."""
    gone = customer(NOT, None, key="new@example.com", email="New@example.com")
    played = look(person(SUB, IN), Sides(KEY, None, contact(IN), gone_to=gone))
    (write,) = played.writes()
    assert isinstance(write, MoveContact)
    assert write.email == "New@example.com"
    assert (played.outcome.moved_to, played.outcome.follow) == ("new@example.com", (("new@example.com", 1),))


@pytest.mark.parametrize("why", ["twin", "cleaned", "somebody else has the address"])
def test_a_contact_stays(why: str) -> None:
    """M6: each address is judged by its own consent."""
    gone = customer(NOT, None, key="new@example.com", email="new@example.com")
    here = replace(customer(SUB), id=2) if why.startswith("somebody") else None
    sides = Sides(KEY, here, contact(CLEANED if why == "cleaned" else IN), gone, gone_contact=why == "twin")
    played = look(person(SUB, IN), sides)
    assert not any(isinstance(each, MoveContact) for each in played.steps)
    assert ("new@example.com", 1) in played.outcome.follow


def test_a_contact_that_we_took_along_was_not_deleted() -> None:
    """M4, M6: whoever has the old address next may opt in."""
    gone = customer(NOT, None, key="new@example.com", email="new@example.com")
    played = look(person(SUB, IN), Sides(KEY, None, None, gone, gone_contact=True))
    assert not played.outcome.known.deleted


def test_what_the_contact_did_meanwhile_is_judged_by_who_has_the_address_now() -> None:
    """M6, L1: two customers in a row; the second opted in here (0) before the contact opted out (50), its webhook lost.

    Planted: the look that only finds the first gone remembers the opt-out as known, so the opt-in counts as the news.
    """
    gone = customer(SUB, -500, key="new@example.com", email="new@example.com")
    second, out = replace(customer(SUB, 0), id=2), contact(OUT, -1000, 50)
    first = look(person(SUB, IN), Sides(KEY, second, out, gone, gone_contact=True))
    known = replace(person(SUB, IN), known=first.outcome.known, customer_id=None)
    assert (known.known.customer, known.known.contact) == (CustomerState.ABSENT, IN)
    assert [each.push.customer_state for each in look(known, (second, out)).writes()] == [UNSUB]


@pytest.mark.parametrize(("made", "writes"), [(40, UNSUB), (47, UNSUB), (49, IN), (70, IN)])
def test_an_opt_in_that_came_with_a_customer_is_no_news(made: float, writes: Any) -> None:
    """M6, M8, L3: out here by 60, its webhook lost; seen at 50, before a customer who opted in elsewhere came here.

    Planted: arriving counts as opting in, so an older choice subscribes again. One made since we looked (by two clocks)
    is news, and so is one provably later.
    """
    who = person(CustomerState.ABSENT, OUT, seen_at=at(50))
    (write,) = look(who, (customer(SUB, made), contact(OUT, -1000, 60))).writes()
    assert (write.push.customer_state if isinstance(write, WriteConsent) else write.status) is writes


def test_the_owner_is_looked_at_first() -> None:
    """M6: the customer is kept under another address, whose look takes the contact along."""
    played = look(NEW, Sides(KEY, customer(SUB, 10), None, owner="old@example.com"))
    assert (played.writes(), played.outcome.follow) == ([], (("old@example.com", 1),))


def test_a_deleted_customer_leaves_the_contact_alone() -> None:
    """S87."""
    assert look(person(SUB, IN), (None, contact(IN))).writes() == []


# --- profile, tags, texts


def test_a_name_goes_to_mailchimp_without_a_status() -> None:
    """S13, S75: a profile write never carries consent."""
    played = look(person(SUB, IN), (customer(SUB, name="Anna"), contact(IN, 0, 0)))
    (write,) = played.writes()
    assert (write.status, write.opted_in_at, write.merge_fields) == (None, None, {"FNAME": "Anna"})
    assert played.outcome.fields == {"FNAME": "Anna"}


def test_a_name_comes_back() -> None:
    """S75: two-way; with what Shopify said when that was decided."""
    played = look(person(SUB, IN), (customer(SUB), contact(IN, 0, 0, name="Anna")))
    (write,) = played.writes()
    assert isinstance(write, UpdateCustomer)
    assert (write.fields, write.seen) == ({"first_name": "Anna"}, {"first_name": "Ann"})
    assert played.outcome.fields == {"FNAME": "Anna"}


def test_a_name_comes_back_beside_a_consent_write() -> None:
    """S23, S75: or the next look would take Shopify's old name for the new one."""
    played = look(person(SUB, IN), (customer(UNSUB, 10), contact(IN, name="Anna")))
    assert [type(each) for each in played.writes()] == [WriteContact, UpdateCustomer]
    assert played.outcome.fields == {"FNAME": "Anna"}


def test_a_name_that_was_refused_is_not_agreed_on() -> None:
    """S75: a retry decides the same again."""
    played = look(person(SUB, IN), (customer(SUB), contact(IN, 0, 0, name="Anna")), Refused("sh_field_value"))
    assert (played.outcome.failed, played.outcome.fields) == (Refused("sh_field_value"), None)
    moved = look(person(SUB, IN), (customer(SUB), contact(IN, 0, 0, name="Anna")), Refused("sh_moved"))
    assert (moved.outcome.again, moved.outcome.fields) == (True, None)


def test_a_name_written_and_not_recorded_is_ours() -> None:
    """Reliability 0.6, for fields: the merchant's newer one wins over our own."""
    died = person(SUB, IN, intended=ProfileIntent(to_contact={"FNAME": "Anna"}))
    played = look(died, (customer(SUB, name="Bea"), contact(IN, 0, 0, name="Anna")))
    assert [each.merge_fields for each in played.writes()] == [{"FNAME": "Bea"}]


def intended(played: Played) -> ProfileIntent | None:
    return [each for each in played.steps if isinstance(each, Intend)][-1].profile


def test_names_written_by_several_who_recorded_nothing_are_ours() -> None:
    """Two died in a row: the first had written Bea to Shopify, the second had not come to write Cleo."""
    first = look(person(SUB, IN), (customer(SUB), contact(IN, 0, 0, name="Bea")))
    written, newer = customer(SUB, name="Bea"), contact(IN, 0, 0, name="Cleo")
    second = look(person(SUB, IN, intended=intended(first)), (written, newer))
    third = look(person(SUB, IN, intended=intended(second)), (written, newer))
    for each in (second, third):
        assert [write.fields for write in each.writes()] == [{"first_name": "Cleo"}]


def test_a_consent_write_forgets_no_name_that_was_written_before() -> None:
    """Planted: the intent of the consent alone took the place of the name's."""
    died = ProfileIntent(to_customer={"first_name": "Bea"})
    played = look(
        person(SUB, IN, intended=died), (customer(SUB, -500, name="Bea"), contact(OUT, -1000, 50, name="Cleo"))
    )
    first = next(each for each in played.steps if isinstance(each, Intend))
    assert first.profile is not None
    assert died in first.profile.tries


@pytest.mark.parametrize("status", [ARCHIVED, CLEANED])
def test_no_profile_of_somebody_out_of_reach(status: ContactStatus) -> None:
    """A write would bring an archived contact back."""
    played = look(person(UNSUB, status), (customer(UNSUB, name="Anna"), contact(status)))
    assert played.writes() == []


def test_tags_come_and_go() -> None:
    """S102: what the customer has; only ours are taken off."""
    options = replace(_PLAIN, profile=replace(_PLAIN.profile, tags=TagRules(choice=TagChoice.ALL)))
    sides = (customer(SUB, tags=("vip",)), contact(IN, 0, 0, tags=("old", "mine")))
    played = look(person(SUB, IN, tags=("old",)), sides, options=options)
    (write,) = played.writes()
    assert (write.add_tags, write.remove_tags, played.outcome.tags) == (("vip",), ("old",), ("vip",))


def test_texts_are_last_and_for_themselves() -> None:
    """S32: a machine of its own; e-mail consent is no argument."""
    gate = Gate(first_sync_done=True, approved=True, start_date=at(-100))
    phone = CustomerSms(SmsState.SUBSCRIBED, "+14045550142", at(10))
    sides = (customer(UNSUB, sms=phone), contact(OUT, sms=ContactSms(SmsStatus.NONSUBSCRIBED)))
    played = look(person(UNSUB, OUT), sides, options=replace(_PLAIN, sms=gate))
    (write,) = played.writes()
    assert isinstance(write, WriteSms)
    assert (write.push.subscribe, write.push.at) == (True, at(10))
    refused = look(person(UNSUB, OUT), sides, Refused("sms_taken"), options=replace(_PLAIN, sms=gate)).outcome
    assert refused.failed is None
    assert refused.sms is not None
    assert refused.sms.refused_at == at(10)
