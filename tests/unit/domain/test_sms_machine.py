"""S28 to S33, consent.md 2.8: consent to texts, from Shopify to Mailchimp; after a STOP never again without an opt-in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.causes import CAUSES
from shopchimp.domain.sms import (
    ContactSms,
    CustomerSms,
    Gate,
    HoldSms,
    KnownSms,
    PushSms,
    SmsInSync,
    SmsReason,
    SmsRule,
    SmsState,
    SmsStatus,
    decide_sms,
    remember,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
LATER = START + timedelta(days=3)
NOW = START + timedelta(days=20)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
PHONE, OTHER = "+14045550142", "+14045550199"
OPEN = Gate(first_sync_done=True, approved=True, start_date=START)
IN, OUT = SmsState.SUBSCRIBED, SmsState.UNSUBSCRIBED


def customer(state: SmsState | None = IN, at: datetime | None = LATER, phone: str | None = PHONE) -> CustomerSms:
    return CustomerSms(state, phone, at, "SINGLE_OPT_IN")


def contact(
    status: SmsStatus | None = SmsStatus.NONSUBSCRIBED, at: datetime | None = None, **more: object
) -> ContactSms:
    there = {"phone": PHONE} if status is not SmsStatus.NONSUBSCRIBED else {}
    return ContactSms(status, changed_at=at, **{**there, **more})  # type: ignore[arg-type]


def held(reason: SmsReason) -> HoldSms:
    return HoldSms(reason)


def test_s32_subscribed_after_the_start_date_goes_to_mailchimp_with_its_own_time() -> None:
    push = decide_sms(OPEN, customer(phone="+1 (404) 555-0142"), contact(), None)
    assert push == PushSms(True, PHONE, SmsRule.OPTED_IN, at=LATER, level="SINGLE_OPT_IN")
    assert decide_sms(OPEN, customer(), None, None) == push, "also where the audience has no such contact"
    assert isinstance(decide_sms(OPEN, customer(at=START), contact(), None), PushSms), "the day itself counts"


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (replace(OPEN, start_date=None), SmsReason.OFF),
        (replace(OPEN, first_sync_done=False), SmsReason.FIRST_SYNC),
        (replace(OPEN, approved=False), SmsReason.NO_PROGRAMME),
    ],
)
def test_s28_s29_s31_the_gate(gate: Gate, reason: SmsReason) -> None:
    assert decide_sms(gate, customer(), contact(), None) == held(reason)


@pytest.mark.parametrize(
    ("who", "there", "reason"),
    [
        (customer(at=START - SECOND), contact(), SmsReason.BEFORE_START),
        (customer(at=None), contact(), SmsReason.UNKNOWN_TIME),
        (customer(phone=None), contact(), SmsReason.NO_PHONE),
        (customer(phone="404 555 0142"), contact(), SmsReason.BAD_PHONE),
        (customer(state=None), contact(), SmsReason.UNKNOWN_STATE),
        (customer(), contact(None), SmsReason.UNKNOWN_STATE),
        (customer(), contact(archived=True), SmsReason.ARCHIVED),
        (customer(), contact(SmsStatus.PENDING), SmsReason.AWAITING),
    ],
)
def test_s33_who_is_not_synced_and_why(who: CustomerSms, there: ContactSms, reason: SmsReason) -> None:
    assert decide_sms(OPEN, who, there, None) == held(reason)
    assert reason.value in CAUSES


def test_every_reason_has_words() -> None:
    assert {reason.value for reason in SmsReason} <= CAUSES.keys()


def test_two_customers_who_share_a_phone_make_no_second_contact() -> None:
    assert decide_sms(OPEN, customer(), None, None, phone_taken=True) == held(SmsReason.PHONE_TAKEN)


def test_in_sync_and_never_asked() -> None:
    assert decide_sms(OPEN, customer(), contact(SmsStatus.SUBSCRIBED), None) == SmsInSync()
    for state in (SmsState.NEVER_SUBSCRIBED, SmsState.PENDING):  # an unticked box is no opt-out
        assert decide_sms(OPEN, customer(state), contact(SmsStatus.SUBSCRIBED), None) == SmsInSync()
    assert decide_sms(OPEN, None, contact(SmsStatus.SUBSCRIBED), None) == SmsInSync()


@pytest.mark.parametrize("at", [LATER, START - DAY, None])
@pytest.mark.parametrize("approved", [True, False])
def test_an_opt_out_goes_at_once_whatever_the_date(at: datetime | None, *, approved: bool) -> None:
    gate = replace(OPEN, approved=approved)
    for status in (SmsStatus.SUBSCRIBED, SmsStatus.PENDING):
        push = decide_sms(gate, customer(OUT, at, phone=OTHER), contact(status), None)
        assert push == PushSms(False, PHONE, SmsRule.OPTED_OUT), "the contact's own number is stopped"
    assert decide_sms(gate, customer(OUT, at), contact(SmsStatus.UNSUBSCRIBED), None) == SmsInSync()
    erased = decide_sms(gate, customer(SmsState.REDACTED, at), contact(SmsStatus.SUBSCRIBED), None)
    assert erased == PushSms(False, PHONE, SmsRule.ERASED)


def test_s30_after_a_stop_only_a_provably_later_opt_in_subscribes_again() -> None:
    stopped = contact(SmsStatus.UNSUBSCRIBED, LATER)
    for at in (None, LATER - DAY, LATER, LATER + 2 * SECOND):
        assert decide_sms(OPEN, customer(at=at), stopped, None) == held(SmsReason.STOPPED)
    again = decide_sms(OPEN, customer(at=LATER + 3 * SECOND), stopped, None)
    assert isinstance(again, PushSms)
    assert again.rule is SmsRule.OPTED_IN_AGAIN
    unknown = contact(SmsStatus.UNSUBSCRIBED, None)
    assert decide_sms(OPEN, customer(at=NOW), unknown, None) == held(SmsReason.STOPPED)
    seen = remember(None, customer(at=LATER), unknown, None, now=NOW)
    assert isinstance(decide_sms(OPEN, customer(at=NOW + DAY), unknown, seen), PushSms), "it happened before we saw it"


def test_a_stop_outlives_the_contact() -> None:
    known = remember(None, customer(), contact(SmsStatus.UNSUBSCRIBED, LATER), None, now=NOW)
    known = remember(known, customer(), None, None, now=NOW)
    for there in (None, contact(), contact(SmsStatus.NONSUBSCRIBED, NOW)):
        assert decide_sms(OPEN, customer(at=LATER - DAY), there, known) == held(SmsReason.STOPPED)
    joined = remember(known, customer(), contact(SmsStatus.SUBSCRIBED, NOW), None, now=NOW)
    assert joined.stopped_at is None


def test_d8_a_stop_goes_to_shopify_in_two_way_mode_with_its_own_time() -> None:
    both = replace(OPEN, two_way=True)
    push = decide_sms(both, customer(), contact(SmsStatus.UNSUBSCRIBED, NOW), None)
    assert push == PushSms(False, PHONE, SmsRule.STOP_TO_SHOPIFY, at=NOW, level="SINGLE_OPT_IN", to_customer=True)
    early = decide_sms(both, customer(at=NOW), contact(SmsStatus.UNSUBSCRIBED, LATER), None)
    assert isinstance(early, HoldSms | PushSms)
    tie = decide_sms(both, customer(at=LATER), contact(SmsStatus.UNSUBSCRIBED, LATER), None)
    assert isinstance(tie, PushSms)
    assert tie.at == LATER + SECOND, "later than what Shopify has stored (F2)"
    joined = decide_sms(both, customer(OUT), contact(SmsStatus.SUBSCRIBED, NOW), None)
    assert joined == PushSms(False, PHONE, SmsRule.OPTED_OUT), "only opt-outs come back"


def test_an_opt_out_is_carried_once_and_who_joins_again_in_mailchimp_stays() -> None:
    out = customer(OUT, LATER)
    push = decide_sms(OPEN, out, contact(SmsStatus.SUBSCRIBED), None)
    known = remember(None, out, contact(SmsStatus.SUBSCRIBED), push, now=NOW)
    for _ in range(3):
        there = contact(SmsStatus.SUBSCRIBED, NOW + DAY)
        assert decide_sms(OPEN, out, there, known) == held(SmsReason.JOINED_AGAIN)
        known = remember(known, out, there, None, now=NOW + DAY)
    assert isinstance(decide_sms(OPEN, customer(OUT, LATER + DAY), contact(SmsStatus.SUBSCRIBED), known), PushSms)


def test_a_refused_opt_in_waits_for_a_newer_one() -> None:
    push = decide_sms(OPEN, customer(), contact(), None)
    known = remember(None, customer(), contact(), push, now=NOW, refused="mc_rejected")
    assert (known.held, known.refused_why) == ("sms_refused", "mc_rejected")
    assert decide_sms(OPEN, customer(), contact(), known) == held(SmsReason.REFUSED)
    assert isinstance(decide_sms(OPEN, customer(at=LATER + DAY), contact(), known), PushSms)


def test_another_number_of_a_subscribed_person_moves_the_subscription() -> None:
    push = decide_sms(OPEN, customer(phone=OTHER), contact(SmsStatus.SUBSCRIBED), None)
    assert isinstance(push, PushSms)
    assert (push.phone, push.rule) == (OTHER, SmsRule.PHONE_CHANGED)


def test_what_is_remembered_survives_the_database() -> None:
    known = KnownSms(
        "SUBSCRIBED", PHONE, LATER, "SINGLE_OPT_IN", "unsubscribed", PHONE, NOW, START, "x", LATER, "sms_stopped"
    )
    assert KnownSms.from_json(known.to_json()) == known
    assert KnownSms.from_json({**KnownSms().to_json(), "of_a_later_version": 1}) == KnownSms()
    assert KnownSms.from_json(None) is None
    earlier, later = (KnownSms(at=at).to_json()["at"] for at in (START, START + timedelta(microseconds=1)))
    assert earlier < later, "times sort as texts"


@dataclass
class World:
    """One person on both platforms, with true times, and an oracle of what may be done to them."""

    gate: Gate
    now: datetime = START - 5 * DAY
    state: SmsState = SmsState.NEVER_SUBSCRIBED
    chosen_at: datetime | None = None
    status: SmsStatus | None = None  # None: no contact
    changed_at: datetime | None = None
    stop_at: datetime | None = None  # the person's own, in Mailchimp
    seen_stop: datetime | None = None
    joined_at: datetime | None = None
    known: KnownSms | None = None
    pushes: list[PushSms] = field(default_factory=list)

    def choose(self, state: SmsState) -> None:
        if state is not self.state:
            self.state, self.chosen_at = state, self.now

    def set_status(self, status: SmsStatus | None) -> None:
        if status is not self.status:
            self.status, self.changed_at = status, self.now if status else None

    def stop(self) -> None:
        if self.status is SmsStatus.SUBSCRIBED:
            self.set_status(SmsStatus.UNSUBSCRIBED)
            self.stop_at, self.joined_at = self.now, None

    def vanish(self) -> None:
        """A STOP that went with its contact before anybody looked is known to no one."""
        self.set_status(None)
        self.stop_at = self.seen_stop

    def join(self) -> None:
        self.set_status(SmsStatus.SUBSCRIBED)
        self.joined_at, self.stop_at = self.now, None

    def look(self) -> PushSms | None:
        who = CustomerSms(self.state, PHONE, self.chosen_at, "SINGLE_OPT_IN")
        there = ContactSms(self.status, PHONE if self.status else None, self.changed_at) if self.status else None
        if self.status in (SmsStatus.SUBSCRIBED, SmsStatus.UNSUBSCRIBED):
            self.seen_stop = self.stop_at
        decision = decide_sms(self.gate, who, there, self.known)
        self.known = KnownSms.from_json(remember(self.known, who, there, decision, now=self.now).to_json())
        if not isinstance(decision, PushSms):
            return None
        self.pushes.append(decision)
        if decision.to_customer:
            assert self.gate.two_way
            self.state, self.chosen_at = OUT, decision.at
        elif decision.subscribe:
            assert self.state is IN
            assert self.chosen_at is not None
            assert self.chosen_at >= START
            assert self.stop_at is None or self.chosen_at > self.stop_at, "texted again after a STOP"
            self.set_status(SmsStatus.SUBSCRIBED)
            self.stop_at = self.seen_stop = None
        else:
            assert self.state is OUT
            self.set_status(SmsStatus.UNSUBSCRIBED)
        return decision


EDITS = st.sampled_from(["in", "out", "stop", "join", "delete", "make", "look", "look"])


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.tuples(EDITS, st.integers(0, 200_000)), max_size=20), st.booleans())
def test_after_a_stop_never_again_without_a_newer_opt_in_and_the_end_does_not_depend_on_when_we_look(
    history: list[tuple[str, int]], two_way: bool
) -> None:
    """The webhooks only say when to look: whichever come, late, doubled or never, the promises hold."""
    world = World(replace(OPEN, two_way=two_way))
    for what, seconds in history:
        world.now += timedelta(seconds=seconds)
        match what:
            case "in":
                world.choose(IN)
            case "out":
                world.choose(OUT)
            case "stop":
                world.stop()
            case "join":
                world.join()
            case "delete":
                world.vanish()
            case "make" if world.status is None:
                world.set_status(SmsStatus.NONSUBSCRIBED)
            case "look":
                world.look()
    world.now += DAY
    world.look()
    assert world.look() is None, "the second look finds nothing to do"
    if world.state is OUT and world.status is SmsStatus.SUBSCRIBED:
        assert world.joined_at is not None, "an opt-out was not carried"
        assert world.known is not None
        assert world.known.held == "sms_joined_again"
