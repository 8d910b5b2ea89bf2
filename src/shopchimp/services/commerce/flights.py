"""One slice on its way to Mailchimp: what it needs first, then itself, by the road that was chosen.

A flight runs in a thread of its own and never touches the database, but for the ticket of its batch, which is stored
before anybody waits for it. What it has learned until an error ended it stays in its answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shopchimp.domain.commerce.products import stand_in
from shopchimp.domain.commerce.results import Kind, Step, Write, once
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.store import Storefront, nodes_of
from shopchimp.domain.errors import PlatformError, Unavailable
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.ecommerce import Operation, deletion_of, operation_of, second_way
from shopchimp.services.commerce.drafts import Draft, draft_product
from shopchimp.services.commerce.roads import Batched, Direct, Outcomes, Ticket
from shopchimp.services.commerce.slices import Slice, name_of
from shopchimp.shopify import commerce
from shopchimp.shopify.client import ShopifyClient

PRODUCT_MISSING, BUYER_MISSING = "mc_product_missing", "mc_customer_missing"
TROUBLES = 5  # operations that may fail for reasons that pass before the rest of a slice waits as well


@dataclass(slots=True)
class Doors:
    """Both platforms as a flight uses them. `reads_products`: Shopify lets us."""

    mailchimp: MailchimpClient
    shopify: ShopifyClient
    store_id: str
    storefront: Storefront
    connections: int
    reads_products: bool
    stopped: Callable[[], bool]

    def direct(self) -> Direct:
        """The road of single calls."""
        return Direct(self.mailchimp, self.connections, self.stopped)


@dataclass(slots=True)
class Flight:
    """A slice that was sent off. `brought` are the answers about what it needed, by the needs' names.

    `troubled` are its own operations that failed for a reason that passes.
    """

    slice: Slice
    road: str
    batch: Batched | None = None
    ticket: Ticket | None = None
    began: float = field(default_factory=time.monotonic)
    answers: Outcomes = field(default_factory=dict)
    needed: dict[str, Step] = field(default_factory=dict)
    brought: Outcomes = field(default_factory=dict)
    troubled: dict[str, PlatformError] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many operations it is."""
        return len(self.slice.due) + len(self.slice.leaving)

    def fly(self, doors: Doors) -> None:
        """Send everything. Raises what only waiting or the merchant can mend, after all that can be done is done."""
        if self.ticket is None:
            self._bring(doors, self.slice.needs)
        wanted = self._operations(doors)
        if self.batch is not None:
            self.batch.send(wanted, self.answers, ticket=self.ticket)
        else:
            self._send(doors, wanted)
        self._second_chances(doors)

    def _operations(self, doors: Doors) -> list[Operation]:
        made = [
            operation_of(doors.store_id, draft.step)
            for draft in self.slice.due.values()
            if self.obstacle(draft) is None and not self._is_known_cart(draft)
        ]
        return [*made, *(deletion_of(doors.store_id, draft.kind, draft.id) for draft in self.slice.leaving.values())]

    def _send(self, doors: Doors, wanted: Sequence[Operation]) -> None:
        """One call each; one that fails for a reason that passes doesn't keep the others from being sent."""
        road, left = doors.direct(), list(wanted)
        while left:
            try:
                road.send(left, self.answers)
                break
            except Unavailable:
                self.troubled |= road.troubled
                if len(self.troubled) >= TROUBLES:
                    raise
                left = [each for each in left if each.id not in self.answers and each.id not in self.troubled]
        carts = [draft for draft in self.slice.due.values() if self._is_known_cart(draft)]
        if carts:  # one by one: what is there has to be compared first
            ways = [operation_of(doors.store_id, draft.step) for draft in carts]
            road.run([(each.id, _way(doors.mailchimp, each)) for each in ways], self.answers)
        if self.troubled:
            raise next(iter(self.troubled.values()))

    def _is_known_cart(self, draft: Draft) -> bool:
        known = self.slice.known.get(draft.id)
        return draft.kind is Kind.CART and known is not None and known.written_at is not None

    def answer_of(self, draft: Draft) -> PlatformError | Missing | None:
        """What became of an object: None where it is done, `MISSING` where nobody knows yet."""
        if (error := self.obstacle(draft)) is not None:
            return error
        return self.answers.get(_name(draft), MISSING)

    def obstacle(self, draft: Draft) -> PlatformError | None:
        """Why something it needs could not be brought, whose reason is its own reason then."""
        for step in draft.needs:
            error = self.brought.get(name_of(step))
            if error is not None and step.kind is Kind.CUSTOMER:
                return error
        return None

    # ------------------------------------------------------------------ what is missing

    def _bring(self, doors: Doors, steps: Sequence[Step]) -> None:
        for step in steps:
            self.needed[name_of(step)] = step
        operations = {operation_of(doors.store_id, step).id: step for step in steps}
        found: Outcomes = {}
        try:
            doors.direct().send([operation_of(doors.store_id, step) for step in steps], found)
        finally:
            self.brought |= {name_of(operations[each]): error for each, error in found.items()}

    def _second_chances(self, doors: Doors) -> None:
        """Where Mailchimp says that something an order names isn't there, bring that, and once more."""
        again = [draft for draft in self.slice.due.values() if _code(self.answers.get(_name(draft))) in _NOT_THERE]
        if not again:
            return
        goods = [draft for draft in again if _code(self.answers[_name(draft)]) == PRODUCT_MISSING]
        if goods:
            self._bring(doors, self._goods(doors, goods))
        buyers = [draft for draft in again if _code(self.answers[_name(draft)]) == BUYER_MISSING]
        needs = [step for draft in goods for step in draft.needs if step.kind is not Kind.CUSTOMER]
        needs += [step for draft in buyers for step in draft.needs if step.kind is Kind.CUSTOMER]
        self._bring(doors, once(needs))
        hopeful = [draft for draft in again if self.obstacle(draft) is None]
        doors.direct().send([operation_of(doors.store_id, draft.step) for draft in hopeful], self.answers)

    def _goods(self, doors: Doors, drafts: Sequence[Draft]) -> list[Step]:
        """The products of these orders and carts as they are now, or stand-ins of their names where they are gone."""
        lines = [line for draft in drafts for line in _lines(draft)]
        made = {step.body["id"] for draft in drafts for step in draft.needs if step.kind is Kind.PRODUCT}
        wanted = list(dict.fromkeys(line["product_id"] for line in lines if line["product_id"] not in made))
        nodes = commerce.products_by_ids(doors.shopify, wanted) if doors.reads_products and wanted else {}
        steps = [draft_product(node, doors.storefront).step for node in nodes.values()]
        there = {(step.body["id"], each["id"]) for step in steps for each in step.body["variants"]}
        for draft in drafts:
            for line, node in zip(_lines(draft), _nodes(self.slice, draft), strict=False):
                product_id, variant_id = line["product_id"], line["product_variant_id"]
                if product_id in made or (product_id, variant_id) in there:
                    continue
                steps.append(_in_the_place_of(node, line, product_id, variant_id, whole=product_id not in nodes))
        return list(once(steps))


class Missing:
    """Nobody knows what became of it."""


MISSING = Missing()
_NOT_THERE = frozenset({PRODUCT_MISSING, BUYER_MISSING})


def _in_the_place_of(node: Any, line: Any, product_id: str, variant_id: str, *, whole: bool) -> Step:
    """A stand-in under the name that the line has for its product, or for a variant that the product no longer has."""
    body = stand_in(node, line["price"]).body
    variant = {**body["variants"][0], "id": variant_id}
    if not whole:
        return Step(Kind.VARIANT, variant, parent=product_id, if_missing=True)
    return Step(Kind.PRODUCT, {**body, "id": product_id, "variants": [variant]}, if_missing=True)


def _lines(draft: Draft) -> list[dict[str, Any]]:
    return list(draft.result.body["lines"]) if isinstance(draft.result, Write) else []


def _nodes(slice_: Slice, draft: Draft) -> list[Any]:
    """The node of each line of the body: by the line's own id, or for carts in their order."""
    nodes = nodes_of(slice_.nodes[draft.id], "lineItems")
    by_id = {short_id(node["id"]): node for node in nodes if node.get("id")}
    return [by_id.get(line["id"], nodes[min(place, len(nodes) - 1)]) for place, line in enumerate(_lines(draft))]


def _name(draft: Draft) -> str:
    return f"{draft.kind.value}:{draft.id}"


def _code(error: PlatformError | None) -> str:
    return error.code if error is not None else ""


def _way(client: MailchimpClient, operation: Operation) -> Callable[[], None]:
    return lambda: second_way(client, operation)
