"""One slice of a promo run: where it stands, and how rules and codes are written.

Mailchimp has no upsert for them. What we know it has is changed, everything else is added; where it turns out to be the
other way round, the other call follows. Nothing is ever deleted to be made again: a mail that names a code keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from shopchimp.db import promo_runs
from shopchimp.db.promo_runs import PromoRun
from shopchimp.db.session import Database
from shopchimp.domain.commerce.promo_changes import Act
from shopchimp.domain.commerce.results import Body, Kind, Step
from shopchimp.domain.commerce.store import Storefront
from shopchimp.domain.errors import PlatformError, Rejected, Unavailable
from shopchimp.mailchimp.ecommerce import EXISTS, NOT_FOUND, Operation, deletion_of, operation_of
from shopchimp.services.commerce.roads import Direct
from shopchimp.shopify.client import ShopifyClient

COUNTS = ("added", "changed", "removed", "unchanged", "unsupported", "failed")
RULE_MISSING = "mc_rule_missing"
GIVEN_UP = 10  # records a sending whose calls come to nothing again and again; more of them are no one record's fault


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be done with one rule (`parent` None) or code. `again` is the body for one that was there already."""

    act: Act
    id: str
    parent: str | None = None
    body: Body | None = None
    again: Body | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: why not, if not, and whether Mailchimp did not have it before. `open`: nothing is known."""

    error: PlatformError | None = None
    made: bool = False
    open: bool = False


DONE = Answer()


@dataclass(slots=True)
class PromoWork:
    """A run that is held, and both platforms. `over`: the time is up, or somebody wants it to end.

    Not `patient`: a record whose call comes to nothing once more has failed. `hosts` are those of bulk results.
    """

    database: Database
    run: PromoRun
    token: UUID
    shopify: ShopifyClient
    road: Direct
    store_id: str
    storefront: Storefront
    now: Callable[[], datetime]
    hosts: frozenset[str]
    over: Callable[[], bool]
    patient: bool = True
    _calls_before: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._calls_before = dict(self.run.counts.get("calls") or {})

    @property
    def shop_id(self) -> int:
        """Whose run it is."""
        return self.run.shop_id

    def save(self, tx: Connection) -> None:
        """Store the place reached, in the transaction of what was done, and the calls that it took."""
        for name, calls in (("shopify", self.shopify.calls), ("mailchimp", self.road.client.calls)):
            made = self._calls_before.get(name, 0) + calls.total()
            self.run.counts.setdefault("calls", {})[name] = made
        promo_runs.save(tx, self.run, self.token)

    def count(self, what: str, number: int = 1, *, of_discounts: bool = False) -> None:
        """Note what came of a code, or of a discount."""
        counts = self.run.counts.setdefault("discounts", {}) if of_discounts else self.run.counts
        if number:
            counts[what] = counts.get(what, 0) + number

    def write(self, calls: Sequence[Call]) -> dict[str, Answer]:
        """Make the calls. Those that the whole connection has to wait for are left `open`; see `hindrance`."""
        answers = self._send(calls)
        twisted = [other for call in calls if (other := _other_way(call, answers[call.id].error)) is not None]
        for call_id, answer in self._send(twisted).items():
            if answer.error is None or answer.error.code != NOT_FOUND:  # else the first words tell more
                answers[call_id] = answer
        return answers

    @staticmethod
    def hindrance(answers: Mapping[str, Answer]) -> PlatformError | None:
        """Why some of them are open: the slice ends, what was written is kept."""
        return next((each.error for each in answers.values() if each.open), None)

    def _send(self, calls: Sequence[Call]) -> dict[str, Answer]:
        operations = {call.id: self._operation(call) for call in calls}
        waiting, known, given_up = list(operations.values()), dict[str, PlatformError | None](), 0
        error: PlatformError | None = None
        while waiting:
            try:
                self.road.send(waiting, known)
            except PlatformError as found:
                error = found
            waiting = [each for each in waiting if each.id not in known]
            if self.patient or not isinstance(error, Unavailable) or given_up > GIVEN_UP:
                break
            known |= self.road.troubled
            given_up += len(self.road.troubled)
        answers = {}
        for call in calls:
            name = operations[call.id].id
            if name in known:
                answers[call.id] = Answer(known[name], call.act is Act.ADD)
            else:
                answers[call.id] = Answer(error or Unavailable("mailchimp", "mc_unreachable", "not sent"), open=True)
        return answers

    def _operation(self, call: Call) -> Operation:
        kind = Kind.PROMO_RULE if call.parent is None else Kind.PROMO_CODE
        if call.act is Act.REMOVE:
            return deletion_of(self.store_id, kind, call.id, parent=call.parent)
        assert call.body is not None  # noqa: S101 - of all but deletions
        step = Step(kind, call.body, call.parent)
        made = operation_of(self.store_id, step, known=call.act is Act.CHANGE)
        return replace(made, step=None)  # the other way is ours: we want to know of it


def _other_way(call: Call, error: PlatformError | None) -> Call | None:
    """The other of the two calls, where Mailchimp had what we didn't know of, or lost what we did."""
    if not isinstance(error, Rejected):
        return None
    if call.act is Act.ADD and error.code == EXISTS:
        return replace(call, act=Act.CHANGE, body=call.again or call.body)
    if call.act is Act.CHANGE and error.code == NOT_FOUND:
        return replace(call, act=Act.ADD)
    return None


def trouble_of(error: PlatformError) -> dict[str, Any]:
    """As it is stored for pages."""
    return {"code": error.code, "detail": error.detail[:500]}
