"""Looking at what changed in the store: one look a key, what it needs, and what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from shopchimp.db import connections
from shopchimp.db.changes import Claimed
from shopchimp.db.commerce_items import Item, State
from shopchimp.domain.commerce.results import CommerceReason, Kind, Skip, Step
from shopchimp.domain.commerce.shown import told
from shopchimp.domain.commerce.store import Node, Storefront
from shopchimp.domain.errors import PlatformError, Rejected, StoreGone
from shopchimp.mailchimp import ecommerce
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import privacy
from shopchimp.services.commerce.drafts import ABOUT_THE_BUYER as ABOUT_THE_BUYER  # noqa: PLC0414 - known from here
from shopchimp.services.commerce.drafts import Draft
from shopchimp.services.driving import LeaseEnded
from shopchimp.services.gateways import Gateways
from shopchimp.shopify.client import ShopifyClient

T = TypeVar("T")
R = TypeVar("R")

_DOUBT = frozenset({"audit", "merchant", "lease"})  # somebody found that Mailchimp is not as we remember


HELD_FOR = 3.0  # seconds until it is looked whether orders and carts may be written again
ASKED_FOR = 1.0  # seconds for which the answer is good
_MAILS = frozenset({Kind.ORDER, Kind.CART})  # what sets automations off


class StoreHeld(Exception):
    """The store's automations are held: a mail that this write would set off would be lost."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the activity log: what was done with an object of this kind, and whose it is."""

    kind: str
    result: str
    cause: str | None
    person: str | None
    detail: dict[str, Any]


@dataclass(slots=True)
class Look:
    """One changed key, and what came of looking at it.

    `items` are to be remembered, `gone` to be forgotten. `refused` parks the key with the platform's words, `error` is
    for the job to judge, `later` are seconds until it is looked at again without being anybody's fault.
    """

    change: Claimed
    kind: Kind
    id: str
    before: Item | None = None
    node: Node | None = None
    draft: Draft | None = None
    items: list[Item] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    refused: Rejected | None = None
    error: Exception | None = None
    later: float | None = None
    counted: bool = True  # whether waiting counts as a try
    late: bool = False  # it is history, to be written while automations are held
    ended: bool = False

    @property
    def key(self) -> str:
        """The key of the change."""
        return self.change.key

    @property
    def open(self) -> bool:
        """Whether there is something left to do."""
        over = self.ended or self.late or self.later is not None
        return not over and self.error is None and self.refused is None

    @property
    def known(self) -> bool:
        """Whether Mailchimp has it, as far as we know: we wrote it at least once."""
        return self.before is not None and self.before.written_at is not None

    @property
    def in_doubt(self) -> bool:
        """Whether what was written last need not be what we remember, so that an equal digest says nothing."""
        return self.change.stolen or self.change.source in _DOUBT or self.before is None

    @property
    def same(self) -> bool:
        """Whether Mailchimp has exactly this already."""
        before, draft = self.before, self.draft
        if self.in_doubt or before is None or draft is None or before.state != State.SYNCED:
            return False
        return before.digest is not None and before.digest == draft.digest

    def drafted(self) -> Draft:
        """The draft, of a look that has one."""
        assert self.draft is not None  # noqa: S101 - tells the type checker
        return self.draft

    def wrote(self, at: datetime) -> None:
        """Mailchimp has it as drafted."""
        draft = self.drafted()
        self.items.append(item_of(draft, State.SYNCED, digest=draft.digest, written_at=at))
        self.tell("synced", None, "update" if self.known else "create")
        self.ended = True

    def unchanged(self) -> None:
        """Mailchimp has it so already."""
        draft = self.drafted()
        self.items.append(item_of(draft, State.SYNCED, digest=draft.digest))
        self.ended = True

    def skip(self, reason: str, detail: str | None = None) -> None:
        """It is not for Mailchimp. What Mailchimp got before stays there: its buyer was erased meanwhile."""
        self.ended = True
        if self.known and self.before is not None:
            self.items.append(replace(self.before, source_updated_at=self.drafted().source_updated_at))
            return
        self.items.append(item_of(self.drafted(), State.SKIPPED, reason=reason, detail=detail))
        if self.before is None or (self.before.state, self.before.reason) != (State.SKIPPED, reason):
            self.tell("skipped", reason, "create")

    def fail(self, error: Exception) -> None:
        """An error ends it: a refusal is the merchant's to read, anything else the job's to judge."""
        if isinstance(error, StoreHeld):
            self.later, self.counted = HELD_FOR, False
            return
        if not isinstance(error, Rejected) or isinstance(error, StoreGone):
            self.error = error
            return
        self.refused = error
        if self.draft is not None:
            words = error.detail[:500]
            self.items.append(item_of(self.draft, State.FAILED, reason=error.code, detail=words))
        self.tell("failed", error.code, "update" if self.known else "create")

    def removed(self, *, told: bool = True) -> None:
        """It is no longer there."""
        self.gone.append((self.kind.value, self.id))
        self.ended = True
        if told:
            self.tell("synced", None, "delete")

    def tell(self, result: str, cause: str | None, action: str) -> None:
        """Have it in the activity log."""
        shown = self.draft.shown if self.draft else self.before.shown if self.before else None
        person = self.draft.key if self.draft else self.before.key if self.before else None
        self.lines.append(Line(self.kind.value, result, cause, person, told(self.id, shown, action)))


@dataclass(slots=True)
class Slice:
    """What all looks of one slice share: the shop's store, the doors to both platforms, the lease."""

    gateways: Gateways
    shop_id: int
    token: UUID
    store_id: str
    storefront: Storefront
    since: datetime
    now: datetime
    only_contacts: bool
    sees_all_orders: bool
    shopify: ShopifyClient
    mailchimp: MailchimpClient
    pool: ThreadPoolExecutor
    lost: threading.Event
    until: float
    quiet: bool
    _asked_at: float = float("-inf")
    _held: bool = False

    @property
    def over(self) -> bool:
        """Whether it is another lane's turn."""
        return self.lost.is_set() or time.monotonic() > self.until

    def write(self, step: Step, *, known: bool = False) -> None:
        """Write one step, if the lease is ours as far as we know. A cart that is known is looked at before.

        Raises StoreHeld where it would set off mails that are held now.
        """
        self._ours()
        if step.kind in _MAILS and self.held:
            raise StoreHeld
        if known and step.kind is Kind.CART:
            ecommerce.second_way(self.mailchimp, ecommerce.operation_of(self.store_id, step))
        else:
            ecommerce.write(self.mailchimp, self.store_id, step, known=known)

    @property
    def held(self) -> bool:
        """Whether automations are held, and not for us."""
        if self.quiet:
            return False
        if time.monotonic() > self._asked_at + ASKED_FOR:
            with self.gateways.database.transaction() as tx:
                connection = connections.get(tx, self.shop_id)
            self._held = connection is not None and connection.store_syncing
            self._asked_at = time.monotonic()
        return self._held

    def delete(self, kind: Kind, object_id: str) -> None:
        """Delete something; it may be gone already."""
        self._ours()
        ecommerce.delete(self.mailchimp, self.store_id, kind, object_id)

    def _ours(self) -> None:
        if self.lost.is_set():
            raise LeaseEnded

    def dated(self, draft: Draft) -> Draft:
        """The draft of something read just now, as known up to its last change.

        What was read within the very second of that may have been changed once more in it: then only up to before it.
        """
        at = draft.source_updated_at
        if at is None or self.now >= at + SAME_SECOND:
            return draft
        return replace(draft, source_updated_at=at - timedelta(seconds=1))

    def side_by_side(self, do: Callable[[T], R], things: Iterable[T]) -> list[R | Exception]:
        """Each in a slot of its own: what came of it, or its error, which is nobody else's."""

        def one(thing: T) -> R | Exception:
            try:
                return do(thing)
            except Exception as error:  # noqa: BLE001 - one order's crash stops no other (invariant 7)
                return error

        listed = list(things)
        if not listed:
            return []
        return [one(listed[0])] if len(listed) == 1 else list(self.pool.map(one, listed))


SAME_SECOND = timedelta(seconds=5)  # their times have seconds only, and their clock may be a bit before ours


def item_of(
    draft: Draft,
    state: State,
    *,
    reason: str | None = None,
    detail: str | None = None,
    digest: bytes | None = None,
    written_at: datetime | None = None,
) -> Item:
    """What is to be remembered of a draft."""
    return Item(
        draft.kind.value,
        draft.id,
        state.value,
        reason,
        detail,
        digest,
        key=draft.key,
        customer_id=draft.customer_id,
        shown=draft.shown,
        occurred_at=draft.occurred_at,
        source_updated_at=draft.source_updated_at,
        written_at=written_at,
    )


def each(looks: Sequence[Look], do: Callable[[Look], None], slice_: Slice) -> None:
    """Do this for every look that is still open, side by side; an error ends the one it happens to."""
    opened = [look for look in looks if look.open]
    for look, answer in zip(opened, slice_.side_by_side(do, opened), strict=True):
        if isinstance(answer, Exception):
            look.fail(answer)


def leave_out_erased(looks: Sequence[Look], slice_: Slice) -> None:
    """Nothing that still speaks of somebody who was erased lately may bring them back (invariant 11)."""
    drafted = [look for look in looks if look.open and look.draft is not None and look.draft.key]
    with slice_.gateways.database.transaction() as tx:
        keys = [str(look.drafted().key) for look in drafted]
        living = set(privacy.living(tx, slice_.gateways.vault, slice_.shop_id, keys))
    for look in drafted:
        draft = look.drafted()
        if draft.key not in living:
            look.draft = replace(draft, key=None, customer_id=None, result=Skip(CommerceReason.NO_EMAIL))


def together(looks: Sequence[Look], read: Callable[[list[str]], dict[str, R]]) -> dict[str, R]:
    """Read what belongs to these looks in one go, by id. If that fails, it fails for all of them."""
    wanted = list(dict.fromkeys(look.id for look in looks if look.open))
    if not wanted:
        return {}
    try:
        return read(wanted)
    except PlatformError as error:
        for look in looks:
            if look.open:
                look.fail(error)
        return {}
