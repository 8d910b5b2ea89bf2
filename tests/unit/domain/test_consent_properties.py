"""What consent.md 2.7 promises, hunted by hypothesis.

The oracle below is written from the rules, with its own idea of who moved, of what is proven and of what the two
platforms do with a write. It never asks `newer_of`, `decide` or the rule ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shopchimp.domain.consent import (
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    CustomerWrite,
    Hold,
    InSync,
    Intent,
    Known,
    Policy,
    Push,
    Reason,
    reconcile,
)

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
SKEW = timedelta(seconds=2)
SECOND = timedelta(seconds=1)
READ_ONLY = {CustomerState.REDACTED, CustomerState.INVALID}
GONE_OUT = {ContactStatus.UNSUBSCRIBED, ContactStatus.CLEANED}
S, C = CustomerState, ContactStatus


@dataclass(frozen=True)
class Case:
    known: Known | None
    intent: Intent | None
    customer: CustomerConsent
    contact: ContactConsent
    policy: Policy = Policy.MAILCHIMP_WINS
    create_customers: bool = False
    sync_non_subscribed: bool = True
    double_optin: bool = False
    decided_at: datetime | None = NOW

    def look(self) -> Push | InSync | Hold:
        return reconcile(
            self.known,
            self.intent,
            self.customer,
            self.contact,
            policy=self.policy,
            create_customers=self.create_customers,
            sync_non_subscribed=self.sync_non_subscribed,
            double_optin=self.double_optin,
            decided_at=self.decided_at,
        )

    @property
    def seen(self) -> tuple[CustomerState | None, ContactStatus | None]:
        """What was there before anybody but us moved, as the oracle counts it."""
        if self.known is None:
            return None, None
        mine = self.intent or Intent()
        return (
            self.customer.state if mine.customer == self.customer.state else self.known.customer,
            self.contact.status if mine.contact == self.contact.status else self.known.contact,
        )

    @property
    def customer_moved(self) -> bool:
        return self.known is not None and self.seen[0] != self.customer.state

    @property
    def contact_moved(self) -> bool:
        return self.known is not None and (self.seen[1] != self.contact.status or self.was_back_meanwhile)

    @property
    def was_back_meanwhile(self) -> bool:
        """Unsubscribed, but with an opt-in that is newer than the one we last saw."""
        before, opted_in = self.known.opted_in_at if self.known else None, self.contact.opted_in_at
        known_times = before is not None and opted_in is not None and opted_in > before
        return self.contact.status == C.UNSUBSCRIBED and known_times

    @property
    def shopify_opted_in_later(self) -> bool:
        """A Shopify opt-in is proven to be later than the contact's opt-out."""
        out = self.contact.opted_out_at
        if out is None or (self.contact.opted_in_at is not None and out <= self.contact.opted_in_at):
            out = self.contact.changed_at
        opt_in = self.customer.updated_at
        return self.customer.state == S.SUBSCRIBED and out is not None and opt_in is not None and opt_in - out > SKEW

    @property
    def mailchimp_opted_in_later(self) -> bool:
        """A Mailchimp opt-in is proven to be later than the customer's opt-out."""
        out, opt_in = self.customer.updated_at, self.contact.opted_in_at
        return self.contact.status == C.SUBSCRIBED and out is not None and opt_in is not None and opt_in - out > SKEW


# Close together now and then, so that ties, skew and fractions of a second are hit, and over years.
moments = st.one_of(
    st.none(),
    st.integers(-5, 5).map(lambda seconds: NOW - timedelta(days=1) + timedelta(seconds=seconds)),
    st.integers(0, 10_000).map(lambda thousandths: NOW - timedelta(days=1) + timedelta(milliseconds=thousandths)),
    st.datetimes(datetime(2011, 1, 1), datetime(2026, 5, 4), timezones=st.just(UTC)),  # noqa: DTZ001
)
customers = st.builds(
    CustomerConsent,
    st.sampled_from(S),
    moments,
    st.sampled_from([None, "SINGLE_OPT_IN", "CONFIRMED_OPT_IN", "UNKNOWN"]),
)
contacts = st.builds(ContactConsent, st.sampled_from(C), moments, moments, moments)
knowns = st.builds(Known, st.sampled_from(S), st.sampled_from(C), st.booleans(), moments, moments)
intents = st.one_of(
    st.builds(Intent, customer=st.sampled_from([S.SUBSCRIBED, S.UNSUBSCRIBED])),
    st.builds(Intent, contact=st.sampled_from([C.SUBSCRIBED, C.UNSUBSCRIBED, C.PENDING, C.TRANSACTIONAL])),
)
cases = st.builds(
    Case,
    st.none() | knowns,
    st.none() | intents,
    customers,
    contacts,
    st.sampled_from(Policy),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    moments | st.just(NOW),
)
fresh = st.builds(replace, cases, known=st.none(), intent=st.none())
thorough = settings(max_examples=250, deadline=None)


# --- one decision -----------------------------------------------------------------------------------------------------


@thorough
@given(cases)
def test_every_input_has_one_answer(case: Case) -> None:
    answer = case.look()
    assert isinstance(answer, Push | InSync | Hold)
    assert answer == case.look()


@thorough
@given(cases)
def test_never_both_sides_and_never_nothing(case: Case) -> None:
    push = case.look()
    if isinstance(push, Push):
        assert (push.write_customer is None) != (push.write_contact is None)


@thorough
@given(cases)
def test_no_write_to_a_read_only_customer(case: Case) -> None:
    push = case.look()
    if isinstance(push, Push) and push.write_customer is not None:
        assert case.customer.state not in READ_ONLY
        creates = push.write_customer in (CustomerWrite.CREATE_SUBSCRIBED, CustomerWrite.CREATE_NOT_SUBSCRIBED)
        assert creates == (case.customer.state == S.ABSENT)
        assert case.create_customers or not creates


@thorough
@given(cases)
def test_no_subscribed_on_an_opt_out_or_bounce_without_a_later_opt_in(case: Case) -> None:
    push = case.look()
    if isinstance(push, Push) and push.write_contact in (C.SUBSCRIBED, C.PENDING) and case.contact.status in GONE_OUT:
        seen_opting_in = case.customer_moved and not case.contact_moved
        assert seen_opting_in or case.shopify_opted_in_later


@thorough
@given(cases)
def test_no_opt_in_without_an_opt_in_behind_it(case: Case) -> None:
    push = case.look()
    if isinstance(push, Push) and push.customer_state == S.SUBSCRIBED:
        assert case.contact.status == C.SUBSCRIBED
    if isinstance(push, Push) and push.write_contact in (C.SUBSCRIBED, C.PENDING):
        assert case.customer.state == S.SUBSCRIBED


@thorough
@given(cases)
def test_no_opted_out_customer_is_subscribed_without_a_later_opt_in(case: Case) -> None:
    """Except for the merchant's own answer to D1, which covers only opt-outs made before it."""
    push = case.look()
    if (
        isinstance(push, Push)
        and push.write_customer == CustomerWrite.SUBSCRIBED
        and case.customer.state == S.UNSUBSCRIBED
    ):
        out, decided = case.customer.updated_at, case.decided_at
        if case.known is None:
            covered = out is None or decided is None or decided - out >= SKEW
            assert covered or case.mailchimp_opted_in_later
        else:
            assert (case.contact_moved and not case.customer_moved) or case.mailchimp_opted_in_later


@thorough
@given(cases)
def test_no_status_is_weakened(case: Case) -> None:
    push = case.look()
    if not isinstance(push, Push):
        return
    now = case.contact.status
    if push.write_contact == C.TRANSACTIONAL:
        assert now == C.ABSENT
    if push.write_contact == C.UNSUBSCRIBED:
        assert now not in (C.UNSUBSCRIBED, C.CLEANED, C.ARCHIVED)
    if push.write_contact == C.PENDING:
        assert now not in (C.SUBSCRIBED, C.PENDING)
    if push.write_customer == CustomerWrite.UNSUBSCRIBED:
        assert case.customer.state not in (S.UNSUBSCRIBED, S.ABSENT)
    assert push.write_contact != now


@thorough
@given(fresh)
def test_the_first_sync_unsubscribes_no_subscriber_and_asks_nobody(case: Case) -> None:
    """S9 and L4; but an opt-out proven later under latest_choice_wins, or made after the decision, stands."""
    push = case.look()
    if isinstance(push, Push) and case.contact.status == C.SUBSCRIBED and push.write_contact == C.UNSUBSCRIBED:
        assert case.customer.state == S.UNSUBSCRIBED
        out = case.customer.updated_at
        assert out is not None
        after_decision = case.decided_at is not None and case.decided_at - out < SKEW
        assert after_decision or case.policy == Policy.LATEST_CHOICE_WINS
    assert not (isinstance(push, Push) and push.write_contact == C.PENDING)


@thorough
@given(cases)
def test_non_subscribed_people_are_added_only_where_wanted(case: Case) -> None:
    wanted = replace(case, sync_non_subscribed=True).look()
    adds = (
        isinstance(wanted, Push)
        and case.contact.status == C.ABSENT
        and wanted.write_contact in (C.TRANSACTIONAL, C.UNSUBSCRIBED)
    )
    unwanted = replace(case, sync_non_subscribed=False).look()
    if adds:
        assert isinstance(unwanted, Hold)
        assert unwanted.reason == Reason.NON_SUBSCRIBED_OFF
    else:
        assert unwanted == wanted


# --- times ------------------------------------------------------------------------------------------------------------


@thorough
@given(cases)
def test_a_write_to_shopify_is_dated_after_what_it_replaces(case: Case) -> None:
    push = case.look()
    if isinstance(push, Push) and push.write_customer is not None and push.consent_at is not None:
        assert push.consent_at.microsecond == 0
        assert case.customer.updated_at is None or push.consent_at > case.customer.updated_at


@thorough
@given(cases)
def test_a_write_carries_a_time_that_somebody_gave(case: Case) -> None:
    """Never a time of our own making: it is evidence, the decision, or one second past the stored record."""
    push = case.look()
    if not isinstance(push, Push) or push.consent_at is None:
        return
    if push.write_contact is not None:
        assert push.write_contact == C.SUBSCRIBED
        assert push.consent_at == case.customer.updated_at
        return
    given_times = [case.contact.opted_in_at, case.contact.changed_at, case.contact.opted_out_at, case.decided_at]
    allowed = {moment.replace(microsecond=0) for moment in given_times if moment is not None}
    if case.customer.updated_at is not None:
        allowed.add((case.customer.updated_at + SECOND).replace(microsecond=0))
    assert push.consent_at in allowed


@thorough
@given(cases)
def test_an_opt_in_in_shopify_has_no_date_but_its_own_where_one_is_known(case: Case) -> None:
    """L6 and F3: the decision's time only where the stored opt-out is later, or of unknown time."""
    push = case.look()
    opted_in, stored = case.contact.opted_in_at, case.customer.updated_at
    if isinstance(push, Push) and push.customer_state == S.SUBSCRIBED and opted_in is not None:
        whole = opted_in.replace(microsecond=0)
        effective = (stored is None and case.customer.state != S.UNSUBSCRIBED) or (
            stored is not None and whole > stored
        )
        if effective:
            assert push.consent_at == whole


# --- what follows: the two platforms after our writes -----------------------------------------------------------------


@dataclass
class World:
    """Both platforms, as far as consent goes, and a worker that looks, writes, remembers, and sometimes dies."""

    customer: CustomerConsent
    contact: ContactConsent
    known: Known | None = None
    intent: Intent | None = None
    clock: datetime = NOW
    refuses: bool = False  # F6: Mailchimp takes nobody back who left
    options: Case = field(default_factory=lambda: Case(None, None, CustomerConsent(S.ABSENT), ContactConsent(C.ABSENT)))

    @classmethod
    def of(cls, case: Case, *, refuses: bool = False) -> World:
        return cls(case.customer, case.contact, case.known, case.intent, refuses=refuses, options=case)

    def look(self, *, dies: bool = False) -> Push | InSync | Hold:
        """One job: read both, decide, store the intent, write, remember."""
        answer = self._answer()
        refused = None
        if isinstance(answer, Push):
            self.intent = answer.intent
            if not self._write(answer):
                refused = self.customer.updated_at or self.clock
        if not dies:
            before = self.known or Known(self.customer.state, self.contact.status)
            seen = before.then(self.customer.state, self.contact.status, opted_in_at=self.contact.opted_in_at)
            self.known = replace(seen, refused=refused or seen.refused)
            self.intent = None
        return answer

    def die_before_writing(self) -> None:
        answer = self._answer()
        if isinstance(answer, Push):
            self.intent = answer.intent

    def _answer(self) -> Push | InSync | Hold:
        # a first sync that is resumed keeps the time of its decision; in live sync it is the time of the look
        decided_at = self.options.decided_at if self.known is None else self.clock
        people = {"customer": self.customer, "contact": self.contact}
        return replace(self.options, known=self.known, intent=self.intent, decided_at=decided_at, **people).look()

    def _write(self, push: Push) -> bool:
        if push.write_contact is not None:
            if push.write_contact == C.SUBSCRIBED and self.refuses and self.contact.status in GONE_OUT:
                if not push.confirm_if_refused:
                    return False
                self.intent = Intent(contact=C.PENDING)
                self._contact(C.PENDING)
                return True
            self._contact(push.write_contact, push.consent_at)
            return True
        at = push.consent_at or self.clock  # without a date, the time of the call counts (F2)
        assert at <= max(self.clock, (self.customer.updated_at or at) + SECOND), "Shopify takes no time in the future"
        stored = self.customer.updated_at
        if stored is None or at > stored or self.customer.state == S.ABSENT:
            assert push.customer_state is not None
            level = push.opt_in_level.value if push.opt_in_level else None
            self.customer = CustomerConsent(push.customer_state, at, level)
        return True

    def _contact(self, status: ContactStatus, opted_in_at: datetime | None = None) -> None:
        opted_in = (opted_in_at or self.clock) if status == C.SUBSCRIBED else self.contact.opted_in_at
        self.contact = ContactConsent(status, opted_in, self.clock.replace(microsecond=0))

    @property
    def mailable(self) -> tuple[bool, bool]:
        return self.customer.state == S.SUBSCRIBED, self.contact.status == C.SUBSCRIBED

    def settle(self) -> list[Push | InSync | Hold]:
        """Look until nothing is written: at most one write and two follow-ups (consent.md 2.7)."""
        answers = [self.look()]
        while isinstance(answers[-1], Push):
            assert len(answers) <= 2, f"still writing: {answers}"
            self.clock += 10 * SECOND
            answers.append(self.look())
        return answers


def check_stable(world: World, last: Push | InSync | Hold) -> None:
    in_shopify, in_mailchimp = world.mailable
    if isinstance(last, InSync):
        assert in_shopify == in_mailchimp
    elif in_shopify != in_mailchimp:
        assert isinstance(last, Hold)
        assert last.reason in set(Reason) - {Reason.NON_SUBSCRIBED_OFF}


@thorough
@given(cases, st.booleans())
def test_after_two_follow_ups_nothing_more_is_written(case: Case, refuses: bool) -> None:
    world = World.of(case, refuses=refuses)
    world.settle()
    for _ in range(3):
        world.clock += 10 * SECOND
        assert not isinstance(world.look(), Push)


@thorough
@given(cases, st.booleans())
def test_a_settled_person_is_mailable_on_both_sides_or_neither_or_explained(case: Case, refuses: bool) -> None:
    world = World.of(case, refuses=refuses)
    check_stable(world, world.settle()[-1])


@thorough
@given(cases)
def test_our_own_echo_is_answered_with_nothing(case: Case) -> None:
    """The write arrived, the worker died before remembering it: the next look finds nothing to do."""
    world = World.of(replace(case, intent=None))
    push = world.look(dies=True)
    if not isinstance(push, Push):
        return
    world.clock += 10 * SECOND
    assert not isinstance(world.look(), Push)


opt_outs_in_shopify = st.builds(
    replace,
    cases,
    known=knowns.filter(lambda known: known.customer not in (S.UNSUBSCRIBED, S.REDACTED)),
    customer=st.builds(CustomerConsent, st.sampled_from([S.UNSUBSCRIBED, S.UNSUBSCRIBED, S.REDACTED]), moments),
)
opt_outs_in_mailchimp = st.builds(
    replace,
    cases,
    known=knowns.filter(lambda known: known.contact != C.UNSUBSCRIBED),
    contact=st.builds(ContactConsent, st.just(C.UNSUBSCRIBED), moments, moments, moments),
)


@thorough
@given(opt_outs_in_shopify | opt_outs_in_mailchimp)
@example(Case(Known(S.SUBSCRIBED, C.SUBSCRIBED), None, CustomerConsent(S.UNSUBSCRIBED), ContactConsent(C.SUBSCRIBED)))
def test_an_opt_out_event_leaves_the_person_mailable_nowhere(case: Case) -> None:
    in_shopify = case.customer_moved and case.customer.state in (S.UNSUBSCRIBED, S.REDACTED)
    in_mailchimp = case.contact_moved and case.contact.status == C.UNSUBSCRIBED
    taken_back = case.customer.state != S.REDACTED and case.mailchimp_opted_in_later
    if (in_shopify or in_mailchimp) and not taken_back and not case.shopify_opted_in_later:
        world = World.of(case)
        world.settle()
        assert world.mailable == (False, False)


# --- whole histories --------------------------------------------------------------------------------------------------

ACTS = st.lists(
    st.sampled_from(["shopify in", "shopify out", "mailchimp in", "mailchimp out", "edit", "look", "die", "die early"]),
    max_size=14,
)


def act(world: World, what: str) -> bool:
    """One act of the person (or a profile edit, which moves `last_changed`), or one job, ten seconds apart.

    False where the person is there already, so that nothing happens.
    """
    world.clock += 10 * SECOND
    now = {"shopify in": world.mailable[0], "mailchimp in": world.mailable[1]}
    now |= {"shopify out": not world.mailable[0], "mailchimp out": not world.mailable[1]}
    if now.get(what):
        return False
    if what == "shopify in":
        world.customer = CustomerConsent(S.SUBSCRIBED, world.clock)
    elif what == "shopify out":
        world.customer = CustomerConsent(S.UNSUBSCRIBED, world.clock)
    elif what == "mailchimp in":
        world.contact = ContactConsent(C.SUBSCRIBED, world.clock, world.clock)
    elif what == "mailchimp out":
        world.contact = replace(world.contact, status=C.UNSUBSCRIBED, changed_at=world.clock)
    elif what == "edit":
        world.contact = replace(world.contact, changed_at=world.clock)
    elif what == "die early":
        world.die_before_writing()
    else:
        world.look(dies=what == "die")
    return True


@settings(max_examples=2000, deadline=None)
@given(ACTS, st.booleans())
def test_in_any_history_the_last_opt_out_stands_and_both_sides_agree(acts: list[str], subscribed: bool) -> None:
    """Jobs die after the write or before it, the person changes both sides, profile edits blur the times."""
    start = (S.SUBSCRIBED, C.SUBSCRIBED) if subscribed else (S.UNSUBSCRIBED, C.UNSUBSCRIBED)
    world = World(
        CustomerConsent(start[0], NOW),
        ContactConsent(start[1], NOW - SECOND, NOW),
        known=Known(*start, opted_in_at=NOW - SECOND),
    )
    acts = [what for what in acts if act(world, what)]
    world.clock += 10 * SECOND
    check_stable(world, world.settle()[-1])
    choices = [what for what in acts if what.endswith((" in", " out"))]
    last_is_out = choices[-1].endswith(" out") if choices else not subscribed
    if last_is_out:
        assert world.mailable == (False, False)
    elif "edit" not in acts:
        assert world.mailable == (True, True)
