"""The engine's surroundings, in one thread and from one seed: changes with lease and fence, people, two workers.

The looks are the real ones (`domain.looking`). What `db.changes`, `services.live` and `services.recording` do around
them is done here again in plain Python, one step at a time, so that a worker can be killed, put to sleep beyond its
lease, or robbed of an answer between any two steps.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from truth import Book
from two_platforms import Chimp, Member, Shop, Shopper, moment, to_the_ms

from shopchimp.domain import looking
from shopchimp.domain.consent import NO_CONTACT, NO_CUSTOMER, ContactStatus, CustomerState, Known
from shopchimp.domain.readings import is_ours
from shopchimp.domain.records import Person, Sides
from shopchimp.domain.steps import (
    CreateCustomer,
    Hint,
    Intend,
    LiveOptions,
    Look,
    MoveContact,
    Permit,
    Read,
    Refused,
    UpdateCustomer,
    WriteConsent,
    WriteContact,
)

LEASE = 10_000
SETTLING = 3
NEVER_SEEN = Known(CustomerState.ABSENT, ContactStatus.ABSENT)
WRITES = (WriteContact, WriteConsent, UpdateCustomer, CreateCustomer, MoveContact)


class Bugs:
    """What can be broken on purpose: each a mistake that reliability.md names (section 0, 3.3, 3.6)."""

    __slots__ = (
        "forget_intent",
        "keep_on_version",
        "no_fence",
        "no_guard",
        "puts_new",
        "read_in_claim",
        "records_always",
        "stale_address",
        "values_only",
    )

    def __init__(self, **planted: bool) -> None:
        for name in self.__slots__:
            setattr(self, name, planted.get(name, False))


SOUND = Bugs()


class Change:
    __slots__ = ("crashes", "customer_id", "due", "event", "opted_outs", "settles", "state", "token", "version")

    def __init__(self, due: int, customer_id: int | None, opted_outs: tuple[int, ...], event: int) -> None:
        self.due, self.customer_id, self.opted_outs, self.event = due, customer_id, opted_outs, event
        self.version, self.token, self.settles, self.crashes, self.state = 1, 0, 0, 0, "waiting"


class Worker:
    __slots__ = (
        "asleep",
        "began",
        "change",
        "claim",
        "deadline",
        "early",
        "error",
        "half",
        "key",
        "look",
        "looked_at",
        "outcome",
        "person",
        "sides",
        "stage",
        "step",
        "token",
        "unrecorded",
        "wake",
    )  # fmt: skip

    def __init__(self) -> None:
        self.wake = 0
        self.drop()

    def drop(self) -> None:
        self.stage = "idle"
        self.look: Any = None
        self.step: Any = None
        self.outcome: Any = None
        self.half: Any = None
        self.early: Any = None
        self.error = ""
        self.asleep = False
        self.looked_at = 0
        self.unrecorded = 0


class World:
    """One shop, its audience, and everything of ours about them."""

    def __init__(
        self,
        rng: Random,
        options: LiveOptions,
        *,
        carries: bool = False,
        bugs: Bugs = SOUND,
        tracing: bool = False,
        hits: Counter[str] | None = None,
    ) -> None:
        self.rng, self.options, self.bugs = rng, options, bugs
        self.random = rng.random
        self.book = Book(tracing=tracing)
        skew = int(self.random() * 3001) - 1500
        base = 1_000_000_000
        self.now = base
        self.began = base
        self.shop = Shop(self.book, 0, carries=carries)
        self.chimp = Chimp(self.book, skew, double_optin=options.double_optin)
        self.people: dict[str, Person] = {}
        self.changes: dict[str, Change] = {}
        self.workers = (Worker(), Worker())
        self.tokens = 0
        self.quiet = False
        self.nemeses = 3
        self.struck = 0
        self.sure = False  # no webhook is lost, and our own writes tell us nothing: nothing else mends what we missed
        self.spared: frozenset[int] = frozenset()  # those left out, while a failing history is made smaller
        self.hits: Counter[str] = Counter() if hits is None else hits
        self.windows = 0
        self.looks = 0
        self.cursors = [0, 0]
        self.held: list[str] = []
        self.permit = True

    # ------------------------------------------------------------------ changes, as db.changes has them

    def mark(self, key: str, *, customer_id: int | None = None, opted_out: int | None = None) -> None:
        change = self.changes.get(key)
        now, told = self.now, () if opted_out is None else (opted_out,)
        if change is None:
            self.changes[key] = Change(now, customer_id, told, now)
            return
        change.version += 1
        change.state = "waiting"
        if not change.token and change.due > now:
            change.due = now
        if customer_id is not None:
            change.customer_id = customer_id
        change.opted_outs += told

    def claim(self, worker: Worker) -> bool:
        now = self.now
        best: str | None = None
        for key, change in self.changes.items():
            if (
                change.due <= now
                and change.state == "waiting"
                and (best is None or change.due < self.changes[best].due)
            ):
                best = key
        if best is None:
            return False
        change = self.changes[best]
        stolen = change.token != 0
        self.tokens += 1
        change.token = worker.token = self.tokens
        change.due = now + LEASE
        change.crashes += stolen
        if stolen:
            change.settles = now + SETTLING * LEASE
            self.hits["stolen"] += 1
        elif change.settles <= now:
            change.settles = 0
        worker.key, worker.deadline, worker.stage = best, now + LEASE, "claimed"
        worker.claim = (change.version, change.customer_id, change.opted_outs, change.event)
        if self.bugs.read_in_claim:
            worker.early = self._sides(best, self._customer(best, worker.claim[1]), self.chimp.by_key.get(best))
        return True

    def ours(self, worker: Worker) -> Change | None:
        change = self.changes.get(worker.key)
        return change if change is not None and change.token == worker.token else None

    def finish(self, worker: Worker) -> None:
        change = self.ours(worker)
        if change is None:
            if not self.bugs.no_fence:
                self.hits["lease lost"] += 1
                self.mark(worker.key)
            return
        same = change.version == worker.claim[0] or self.bugs.keep_on_version
        if same and (not change.settles or self.bugs.no_fence):
            del self.changes[worker.key]
            return
        change.token, change.crashes = 0, 0
        change.due = max(self.now, change.settles) if same else self.now

    def later(self, worker: Worker, wait: int) -> None:
        change = self.ours(worker)
        if change is None:
            if not self.bugs.no_fence:
                self.mark(worker.key)
            return
        change.token, change.crashes, change.due = 0, 0, self.now + wait

    def stop(self, worker: Worker, state: str) -> None:
        change = self.ours(worker)
        if change is None:
            return self.mark(worker.key)
        change.token = 0
        change.due = self.now
        if change.version == worker.claim[0]:
            change.state = state
        return None

    # ------------------------------------------------------------------ what tells us: webhooks and polls

    def tell_shop(self, customer_id: int) -> None:
        keys = [key for key, person in self.people.items() if person.customer_id == customer_id]
        shopper = self.shop.by_id.get(customer_id)
        if shopper is not None and shopper.key not in keys:
            keys.append(shopper.key)
        for key in keys:
            self.mark(key, customer_id=customer_id)

    def tell_chimp(self, key: str, opted_out: int | None) -> None:
        self.mark(key, opted_out=opted_out)

    def deliver(self) -> None:
        """One webhook arrives, any of those on their way; it may be lost, or come again."""
        shop, chimp = self.shop.mail, self.chimp.mail
        n = int(self.random() * (len(shop) + len(chimp)))
        mail: list[Any] = shop if n < len(shop) else chimp
        each = mail[n if mail is shop else n - len(shop)]
        luck = self.random()
        if luck >= 0.2 or self.quiet:
            mail.remove(each)
        else:
            self.hits["doubled"] += 1
        if luck > 0.9 and not self.quiet and not self.sure:
            self.hits["lost"] += 1
            return
        if mail is shop:
            self.tell_shop(each[0])
        else:
            if each[1] is not None:
                self.book.told(each[0], each[2])
            self.tell_chimp(each[0], each[1])

    def poll(self) -> None:
        """What changed since the last poll, by each platform's own clock and with some overlap."""
        overlap = 20
        for each in list(self.shop.by_id.values()):
            if each.updated >= self.cursors[0] - overlap:
                self.tell_shop(each.id)
        for member in self.chimp.by_key.values():
            if member.changed >= self.cursors[1] - overlap:
                self.mark(member.key)
        self.cursors = [self.shop.clock(self.now), self.chimp.clock(self.now)]

    def audit(self) -> None:
        """Everybody is looked at."""
        keys = {*self.people, *self.chimp.by_key, *(each.key for each in self.shop.by_id.values())}
        for key in sorted(keys):
            self.mark(key)

    # ------------------------------------------------------------------ the workers

    def advance(self, worker: Worker) -> None:
        """One step of a worker: it may die or fall asleep before or after."""
        stage = worker.stage
        if stage == "idle":
            if self.claim(worker):
                self._nemesis(worker, "claim", after=True)
            return
        if not worker.asleep:
            name = stage if stage != "looking" else type(worker.step).__name__
            if name in _WRITE_NAMES and not self.bugs.no_guard and self.now >= worker.deadline:
                worker.error, worker.stage = "lease", "ended"  # checked right before the call; it may still fall asleep
            if self._nemesis(worker, name, after=False):
                return
        worker.asleep = False
        name = worker.stage if worker.stage != "looking" else type(worker.step).__name__
        match worker.stage:
            case "claimed":
                self._begin(worker)
            case "looking":
                self._do(worker)
            case _:
                self._end(worker)
        if worker.stage != "idle":
            self._nemesis(worker, name, after=True)

    def _nemesis(self, worker: Worker, name: str, *, after: bool) -> bool:
        """Whether the worker died or fell asleep now."""
        if self.quiet or self.nemeses <= 0:
            return False
        luck = self.random()
        if luck > 0.07:
            return False
        self.struck += 1
        if self.struck in self.spared:
            return False
        self.nemeses -= 1
        where = f"{name} {'after' if after else 'before'}"
        if luck < 0.04:
            self.hits["killed " + where] += 1
            self.book.said(self.now, f"worker {worker.token} is killed: {where}")
            worker.drop()
        else:
            self.hits["paused " + where] += 1
            worker.wake = self.now + int(LEASE * (1.05 + self.random() * 1.4))
            worker.asleep = not after
            self.book.said(self.now, f"worker {worker.token} sleeps: {where}, until {worker.wake / 1000:.3f}")
        return True

    def _begin(self, worker: Worker) -> None:
        self.looks += 1
        event, worker.began = worker.claim[3], self.now
        if self.bugs.read_in_claim and (change := self.ours(worker)) is not None:
            worker.claim = (change.version, *worker.claim[1:])
        worker.person = self.people.get(worker.key) or Person(worker.key, NEVER_SEEN)
        hint = Hint(moment(event // 1000), _told(worker))
        worker.look = looking.look_at(worker.person, hint, self.options)
        worker.step = next(worker.look)
        worker.stage = "looking"

    def _customer(self, key: str, named: int | None) -> tuple[Shopper | None, Shopper | None]:
        """Who has this address, and who had it and has another one (as `services.live` finds them)."""
        person = self.people.get(key)
        known = self.shop.by_id.get(person.customer_id) if person is not None and person.customer_id else None
        told = self.shop.by_id.get(named) if named is not None else None
        here = next((each for each in (known, told) if each is not None and each.key == key), None)
        if here is None:
            here = self.shop.with_address(key)
        gone = known if known is not None and known.key != key else None
        if gone is None and here is None and told is not None:
            gone = told
        return here, gone

    def _sides(self, key: str, customers: Any, member: Member | None) -> Sides:
        here, gone = customers
        owner = None
        if here is not None:
            owner = min((k for k, p in self.people.items() if p.customer_id == here.id), default=None)
        return Sides(
            key,
            here.read() if here is not None else None,
            member.read() if member is not None else None,
            gone.read() if gone is not None else None,
            gone is not None and gone.key in self.chimp.by_key,
            owner,
        )

    def _do(self, worker: Worker) -> None:
        step = worker.step
        kind = type(step)
        answer: Any = None
        if kind is Read:
            if worker.half is None and not worker.early:  # Shopify answers first, and some time later Mailchimp
                here, gone = self._customer(worker.key, worker.claim[1])
                worker.half = (_copy(here), _copy(gone))
                return
            answer = worker.early or self._sides(worker.key, worker.half, self.chimp.by_key.get(worker.key))
            worker.sides, worker.looked_at = answer, self.now
            if self.book.tracing:
                self._say_read(worker, answer)
        elif kind is Permit:
            answer = self.permit
        elif kind is Intend:
            if self.ours(worker) is None:
                worker.error, worker.stage = "lease", "ended"
                return
            if not self.bugs.forget_intent:
                self._intend(worker.key, step)
        elif kind is Look:
            answer = self._look(worker, contact=step.contact)
            worker.looked_at = self.now
        else:
            worker.half = kind.__name__
            mail = len(self.shop.mail), len(self.chimp.mail)
            answer = self._write(worker, step)
            if self.sure:
                del self.shop.mail[mail[0] :], self.chimp.mail[mail[1] :]
            if answer is None:
                worker.error, worker.stage = "unclear", "ended"
                return
            if not self.quiet and self.nemeses > 0 and self.random() < 0.03:
                self.nemeses -= 1
                self.hits["lost answer " + kind.__name__] += 1
                self.book.said(self.now, "the answer is lost")
                worker.error, worker.stage = "unclear", "ended"
                return
        try:
            worker.step = worker.look.send(answer)
        except StopIteration as end:
            worker.outcome, worker.stage = end.value, "ended"

    def _say_read(self, worker: Worker, sides: Sides) -> None:
        ours = sides.customer and (sides.customer.consent.state.value, str(sides.customer.consent.updated_at)[14:19])
        at = sides.contact and sides.contact.consent
        theirs = at and (at.status.value, str(at.opted_in_at)[14:19], str(at.changed_at)[14:19])
        told = max(_told(worker), default="")
        person = worker.person
        known = f"{person.known.customer.value}/{person.known.contact.value} {person.intent or ''} {person.fields}"
        self.book.said(self.now, f"worker {worker.token} reads {ours} {theirs} told {str(told)[14:19]} known {known}")

    def _look(self, worker: Worker, *, contact: bool) -> Any:
        sides: Sides = worker.sides
        if contact:
            member = self.chimp.by_key.get(worker.key)
            if self.bugs.values_only:
                before = sides.contact.consent if sides.contact else NO_CONTACT
                if member is not None and member.status is before.status:
                    return before
            return member.consent() if member is not None else NO_CONTACT
        shopper = self.shop.by_id.get(sides.customer.id) if sides.customer else None
        if self.bugs.values_only and shopper is not None and sides.customer is not None:
            before_ = sides.customer.consent
            if shopper.state is before_.state:
                return before_
        if shopper is None or (shopper.key != worker.key and not self.bugs.stale_address):
            return NO_CUSTOMER
        return shopper.consent()

    def _write(self, worker: Worker, step: Any) -> Any:
        now = self.now
        kind = type(step)
        if kind is WriteContact:
            self._note_window(worker, "chimp")
            name = step.merge_fields.get("FNAME")
            if step.contact_id is None and step.email in self.chimp.by_key and not self.bugs.puts_new:
                return Refused("mc_contact_exists")
            before = len(self.book.writes)
            answer = self.chimp.write(step.email, step.status, step.opted_in_at, name, now)
            if step.status is ContactStatus.UNSUBSCRIBED and len(self.book.writes) > before:
                self.book.orphans += 1
                worker.unrecorded += 1
            return answer
        self._note_window(worker, "shop")
        if kind is WriteConsent:
            push = step.push
            return self.shop.write_consent(
                step.customer_id, push.customer_state, push.consent_at, push.opt_in_level, now
            )
        if kind is UpdateCustomer:
            return self.shop.write_name(step.customer_id, step.fields["first_name"], step.seen.get("first_name"), now)
        if kind is CreateCustomer:
            push = step.push
            name = step.fields.get("first_name", "")
            return self.shop.create(step.email, push.customer_state, push.consent_at, name, now)
        if kind is MoveContact:
            return self.chimp.move(step.contact.key, step.email, now)
        raise AssertionError(step)

    def _note_window(self, worker: Worker, side: str) -> None:
        """Whether somebody chose on that side since we last looked at it: no API can close this (reliability.md 3.6)."""
        since = worker.looked_at
        if any(at >= since for at in self.book.shifts):
            self.windows += 1
            return
        for each in reversed(self.book.choices):
            if each.said_at < since:
                break
            if each.side == side:
                self.windows += 1
                self.book.said(self.now, "  (a choice fell between the last look and the write)")
                return

    def _intend(self, key: str, step: Intend) -> None:
        person = self.people.get(key) or Person(key, NEVER_SEEN, id=1)
        self.people[key] = Person(
            key, person.known, step.intent, 1, person.customer_id, person.reason, person.fields, step.profile,
            person.tags, person.sms, person.dropped, person.opted_out_at, person.our_opt_out_at,
            max(back) if (back := [at for at in (person.came_back_at, step.came_back_at) if at]) else None,
            person.seen_at or to_the_ms(self.now),
        )  # fmt: skip

    def _end(self, worker: Worker) -> None:
        outcome, key = worker.outcome, worker.key
        if outcome is None:
            if worker.error == "lease":
                self.hits["stopped by the guard"] += 1
                self.later(worker, 0)
            else:
                self.later(worker, 500 + int(self.random() * 2000))
            worker.drop()
            return
        if self.ours(worker) is not None or self.bugs.records_always:
            self.record(worker)
            self.book.orphans -= worker.unrecorded
        for follow, customer_id in outcome.follow:
            self.mark(follow, customer_id=customer_id)
        if outcome.moved_to is not None:
            moved = self.people.pop(key, None)
            if moved is not None:
                there, out = outcome.moved_to, moved.opted_out_at
                twin = self.people.get(there)
                outs = [at for at in (out, twin.opted_out_at if twin else None) if at is not None]
                self.people[there] = Person(
                    there, moved.known, None, 1, moved.customer_id, moved.reason, moved.fields, None, moved.tags,
                    moved.sms, moved.dropped, max(outs) if outs else None, moved.our_opt_out_at, moved.came_back_at,
                    moved.seen_at,
                )  # fmt: skip
                if out is not None:
                    self.people[key] = Person(
                        key, NEVER_SEEN, None, 1, None, None, None, None, None, None, None, out, moved.our_opt_out_at,
                        moved.came_back_at, to_the_ms(self.now),
                    )  # fmt: skip
        if outcome.again:
            self.hits["again"] += 1
            self.later(worker, 0)
        elif outcome.held or outcome.failed is not None:
            self.stop(worker, "held" if outcome.held else "parked")
        else:
            self.finish(worker)
        worker.drop()

    def record(self, worker: Worker) -> None:
        """As `services.recording` does."""
        outcome, person = worker.outcome, worker.person
        sides = outcome.sides
        if person.id is None and sides.customer is None and sides.contact is None and not _told(worker):
            return
        there = self.people.get(worker.key, person)  # facts stay, whoever stored them
        told = [at for at in (person.opted_out_at, *_told(worker)) if at is not None]
        ours = outcome.our_opt_out_at or person.our_opt_out_at
        theirs = [at for at in told if not is_ours(at, ours)]
        theirs += [] if there.opted_out_at is None else [there.opted_out_at]
        self.people[worker.key] = Person(
            worker.key,
            outcome.known,
            None,
            1,
            outcome.customer_id,
            outcome.reason,
            outcome.fields if outcome.fields is not None else person.fields,
            None,
            outcome.tags if outcome.tags is not None else person.tags,
            outcome.sms or person.sms,
            person.dropped if outcome.reason == "dropped" else None,
            max(theirs, default=None),
            ours,
            there.came_back_at,
            to_the_ms(worker.began),
        )

    # ------------------------------------------------------------------ the quiet end

    def settle(self, *, at_most: int = 400) -> bool:
        """No more nemeses; everything on its way arrives and is worked off. False if it never ends."""
        self.quiet = True
        for _ in range(at_most):
            self.now += 200
            while self.shop.mail or self.chimp.mail:
                self.deliver()
            busy = [each for each in self.workers if each.stage != "idle"]
            if not busy:
                due = [each.due for each in self.changes.values() if each.state == "waiting"]
                if not due:
                    return True
                self.now = max(self.now, *due) if min(due) > self.now else self.now
            for worker in self.workers:
                if worker.wake > self.now:
                    if all(each.wake > self.now or each.stage == "idle" for each in self.workers):
                        self.now = worker.wake
                    continue
                self.advance(worker)
        return False


def _told(worker: Worker) -> tuple[Any, ...]:
    return tuple(moment(at) for at in worker.claim[2])


def _copy(shopper: Shopper | None) -> Shopper | None:
    if shopper is None:
        return None
    copied = Shopper(shopper.id, shopper.key, shopper.state, shopper.at, shopper.name, shopper.updated)
    copied.level = shopper.level
    return copied


_WRITE_NAMES = frozenset(each.__name__ for each in WRITES)
