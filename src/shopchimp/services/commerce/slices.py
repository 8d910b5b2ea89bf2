"""A slice of a phase: what is to be written of it, what must be there before, and what comes of it.

Preparing compares each object with what we remember: an equal digest needs no call, so that work done twice costs
nothing. Every object ends as synced, skipped with a reason or failed with a reason, whatever happens to its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from shopchimp.db import checkouts, commerce_items, people, privacy
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.crypto import Vault
from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.phases import Phase
from shopchimp.domain.commerce.results import CommerceReason, Kind, Skip, Step, once
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.store import Node
from shopchimp.domain.errors import PlatformError
from shopchimp.services.commerce.drafts import ABOUT_THE_BUYER, NO_CONTACT, Draft
from shopchimp.services.commerce.sources import Place, Source, Taken

log = structlog.get_logger()

STAND_IN, GUEST = "stand_in", "guest"  # kinds of items that no sum counts
RECENT_DAYS = 60  # a checkout whose order is older than that is not told of any more

Answers = Mapping[str, PlatformError | None]
"""By operation: the refusal, or None where it was done."""


@dataclass(slots=True)
class Books:
    """What became of the objects of one kind. They close: read = synced + skipped + failed."""

    read: int = 0
    synced: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def add(self, state: str, reason: str | None) -> None:
        """Enter one object."""
        self.read += 1
        if state == State.SYNCED:
            self.synced += 1
        else:
            reasons = self.skipped if state == State.SKIPPED else self.failed
            reasons[reason or "internal"] = reasons.get(reason or "internal", 0) + 1

    @property
    def closes(self) -> bool:
        """Whether every object read is accounted for."""
        return self.read == self.synced + sum(self.skipped.values()) + sum(self.failed.values())


@dataclass(slots=True)
class Slice:
    """Some objects of a phase, from just after `first` up to `last`.

    `due` are to be written, once `needs` are there; `leaving` are carts to be deleted, since they were written before
    and have become orders. `items` are decided without a call, `unchanged` need none. `doubles` are objects that this
    run has met before.
    """

    phase: Phase
    first: Place | None
    last: Place
    taken: int
    due: dict[str, Draft] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    known: dict[str, Item] = field(default_factory=dict)
    needs: list[Step] = field(default_factory=list)
    leaving: dict[str, Draft] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    doubles: set[str] = field(default_factory=set)
    carts: list[str] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        """What its objects are."""
        return self.phase.kinds[0]


@dataclass(frozen=True, slots=True)
class Preparing:
    """What preparing a slice has to know: whose run, from where, and whether buyers must be contacts already."""

    shop_id: int
    run_id: UUID
    phase: Phase
    source: Source
    only_contacts: bool
    vault: Vault

    def slice(
        self, tx: Connection, after: Place | None, limit: int, *, upto: Place | None = None, sent: frozenset[str]
    ) -> Slice | None:
        """The next slice, or None at the end; `upto` where it ends, `sent` needs that are on their way already."""
        taken = self.source(tx, after, limit)
        if upto is not None:
            taken = [each for each in taken if each.place <= upto]  # type: ignore[operator]
        if not taken:
            return None
        made = Slice(self.phase, after, taken[-1].place, len(taken))
        drafts = self._without_erased(tx, self._drafts(taken, made))
        made.known = commerce_items.get(tx, self.shop_id, made.kind.value, drafts)
        made.doubles = {key for key, item in made.known.items() if item.seen_run == self.run_id}
        strangers = self._strangers(tx, list(drafts.values()))
        for draft in drafts.values():
            self._sort(made, draft, strangers)
        self._find_needs(tx, made, sent)
        if self.phase is Phase.ORDERS:
            self._note_carts(tx, made, list(drafts.values()))
        return made

    def _drafts(self, taken: Sequence[Taken], made: Slice) -> dict[str, Draft]:
        drafts: dict[str, Draft] = {}
        for each in taken:
            try:
                draft = each.draft()
            except Exception:
                reference = uuid4().hex[:8]
                log.exception("commerce_draft_failed", reference=reference)
                item = Item(made.kind.value, short_id(each.name), State.FAILED, "internal", f"reference {reference}")
                made.items.append(item)
                continue
            drafts[draft.id] = draft
            made.nodes[draft.id] = each.node
        return drafts

    def _without_erased(self, tx: Connection, drafts: dict[str, Draft]) -> dict[str, Draft]:
        """What was read of somebody before they were erased brings them back nowhere (invariant 11)."""
        marks = {draft.key: self.vault.fingerprints(draft.key) for draft in drafts.values() if draft.key}
        dead = privacy.buried(tx, self.shop_id, [mark for some in marks.values() for mark in some]) if marks else set()
        erased = {key for key, some in marks.items() if not dead.isdisjoint(some)}
        return {each: unknown(draft) if draft.key in erased else draft for each, draft in drafts.items()}

    def _strangers(self, tx: Connection, drafts: Sequence[Draft]) -> dict[str, tuple[State, str]]:
        """The addresses that are no contact, and what that means for whatever is theirs: Mailchimp would make them one.

        Who was left out as a contact is left out here for the same reason; whom we don't know, as the settings say.
        """
        if self.phase is Phase.PRODUCTS:
            return {}
        keys = {draft.key for draft in drafts if draft.key}
        known = people.standings(tx, self.shop_id, sorted(keys))
        strangers: dict[str, tuple[State, str]] = {}
        for key in keys:
            person = known.get(key)
            if person is not None and person.contact_status == "absent":
                state = State.FAILED if person.result == "failed" else State.SKIPPED
                by_choice = person.reason in (None, "non_subscribed_off")
                strangers[key] = (state, NO_CONTACT if by_choice else str(person.reason))
            elif person is None and self.only_contacts:
                strangers[key] = (State.SKIPPED, NO_CONTACT)
        return strangers

    def _sort(self, made: Slice, draft: Draft, strangers: Mapping[str, tuple[State, str]]) -> None:
        known = made.known.get(draft.id)
        state, reason = strangers.get(draft.key or "", (State.SKIPPED, None))
        if draft.reason is not None:
            state, reason = State.SKIPPED, draft.reason
        if reason is not None:
            if known is None or known.written_at is None:
                made.items.append(item_of(draft, state, reason))
            elif draft.kind is Kind.CART:
                made.leaving[draft.id] = draft
            else:  # its buyer was erased since: what Mailchimp got before stays there
                made.unchanged.append(draft.id)
        elif known is not None and known.state == State.SYNCED and known.digest == draft.digest:
            made.unchanged.append(draft.id)
        else:
            made.due[draft.id] = draft

    def _find_needs(self, tx: Connection, made: Slice, sent: frozenset[str]) -> None:
        """Of what the due objects need: what isn't there. Whose buyer Mailchimp will not have is skipped with them."""
        steps = once(step for draft in made.due.values() for step in draft.needs)
        by_kind: dict[str, list[str]] = {}
        for step in steps:
            by_kind.setdefault(kept_as(step), []).append(step.body["id"])
        there = {
            (kind, item.id): item
            for kind, ids in by_kind.items()
            for item in commerce_items.get(tx, self.shop_id, kind, ids).values()
        }
        for draft in list(made.due.values()):
            buyers = [there.get((kept_as(step), step.body["id"])) for step in draft.needs if step.kind is Kind.CUSTOMER]
            refused = next((item for item in buyers if item is not None and item.state == State.SKIPPED), None)
            if refused is not None:
                made.items.append(item_of(draft, State.SKIPPED, refused.reason, refused.detail))
                del made.due[draft.id]
        for step in once(step for draft in made.due.values() for step in draft.needs):
            item = there.get((kept_as(step), step.body["id"]))
            if (item is None or item.state != State.SYNCED) and name_of(step) not in sent:
                made.needs.append(step)

    def _note_carts(self, tx: Connection, made: Slice, drafts: Sequence[Draft]) -> None:
        """Which checkouts became orders: those we know, and those of which late word may still come."""
        now = datetime.now(UTC)
        tokens = {draft.cart: draft for draft in drafts if draft.cart}
        heard = checkouts.get(tx, self.shop_id, tokens)
        made.carts = [
            token
            for token, draft in tokens.items()
            if token in heard or draft.occurred_at is None or (now - draft.occurred_at).days < RECENT_DAYS
        ]


def unknown(draft: Draft) -> Draft:
    """The same of a buyer who is nobody any more."""
    return replace(draft, key=None, customer_id=None, result=Skip(CommerceReason.NO_EMAIL))


def kept_as(step: Step) -> str:
    """The kind of item a needed step is remembered as. Products that are no stand-ins have items of their own."""
    if step.kind in (Kind.PRODUCT, Kind.VARIANT) and step.if_missing:
        return STAND_IN
    return GUEST if step.kind is Kind.CUSTOMER and step.body["id"].startswith("guest-") else step.kind.value


def name_of(step: Step) -> str:
    """A step among all that are on their way."""
    return f"{step.kind}:{step.parent or ''}:{step.body['id']}"


def verdict(error: PlatformError) -> tuple[State, str, str]:
    """State, reason and words of an object that Mailchimp refused."""
    state = State.SKIPPED if error.code in ABOUT_THE_BUYER else State.FAILED
    return state, error.code, error.detail[:1000]


def need_item(step: Step, error: PlatformError | None) -> Item:
    """What is remembered of something that others needed. Its own full write is still to come, if there is one."""
    state, reason, detail = verdict(error) if error is not None else (State.SYNCED, None, None)
    email = step.body.get("email_address")
    number = step.body["id"]
    return Item(
        kept_as(step),
        number,
        state,
        reason,
        detail,
        parent=step.parent,
        key=normalise(email) if email else None,
        customer_id=int(number) if step.kind is Kind.CUSTOMER and number.isdecimal() else None,
        written_at=datetime.now(UTC) if error is None else None,
    )


def item_of(
    draft: Draft, state: State, reason: str | None = None, detail: str | None = None, *, run_id: UUID | None = None
) -> Item:
    """What is remembered of an object; `run_id` is the run that is done with it."""
    synced = state is State.SYNCED
    return Item(
        draft.kind.value,
        draft.id,
        state,
        reason,
        detail,
        digest=draft.digest if synced else None,
        key=draft.key,
        customer_id=draft.customer_id,
        shown=draft.shown,
        occurred_at=draft.occurred_at,
        source_updated_at=draft.source_updated_at,
        written_at=datetime.now(UTC) if synced else None,
        seen_run=run_id,
    )
