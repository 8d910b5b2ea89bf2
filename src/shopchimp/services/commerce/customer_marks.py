"""Which customers of the store are to be looked at, seen from the contacts: who changed, is new, came or went.

The look at a contact has read the customer anyway. Compared with what was written last, that says whether there is
anything to do for the store; so a change of consent alone costs nothing, and nobody is marked twice for one change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from shopchimp.db import commerce_items, connections, marking
from shopchimp.db.changes import Claimed
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.marking import Mark
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.states import ContactStatus
from shopchimp.domain.steps import Outcome
from shopchimp.services.commerce.drafts import customer_node, draft_customer
from shopchimp.services.driving import Walk


def note(tx: Connection, shop_id: int, walks: Sequence[Walk], claimed: Mapping[str, Claimed]) -> None:
    """Mark the customers of these people whom Mailchimp's store has not as they are now.

    While the first sync fills the store the marks wait for its end: it read these customers hours before.
    """
    ended = [(walk, outcome) for walk in walks if (outcome := walk.outcome) is not None]
    named = {number for walk, outcome in ended for number in _named(walk, outcome)}
    if not named:
        return
    connection = connections.get(tx, shop_id)
    if connection is None or connection.store_id is None:
        return
    known = commerce_items.get(tx, shop_id, Kind.CUSTOMER, [str(number) for number in named])
    marks = [
        Mark(f"buyer:{number}", claimed[walk.key].source, event_at=claimed[walk.key].event_at)
        for walk, outcome in ended
        for number in _named(walk, outcome)
        if _is_news(number, walk, outcome, known.get(str(number)))
    ]
    marking.mark(tx, shop_id, marks)


def _named(walk: Walk, outcome: Outcome) -> Iterator[int]:
    """The customer who has this address, or those who were said to have it; not one who is looked at elsewhere."""
    if outcome.sides.customer is not None:
        yield outcome.sides.customer.id
    elif outcome.sides.gone_to is None:
        told = (walk.person.customer_id, walk.customer_id, outcome.customer_id)
        yield from {number for number in told if number is not None}


def _is_news(number: int, walk: Walk, outcome: Outcome, item: Item | None) -> bool:
    if _written(outcome):
        return True
    customer = outcome.sides.customer
    if customer is None:  # deleted
        return item is not None
    if item is None:
        return True
    if outcome.known.contact is ContactStatus.ABSENT:  # who is no contact is left out, or stays as they are
        return False
    came = walk.person.known.contact is ContactStatus.ABSENT
    draft = draft_customer(customer_node(number, customer.email, customer.fields))
    return item.digest != draft.digest or (came and item.state != State.SYNCED)


def _written(outcome: Outcome) -> bool:
    """Whether the customer was made or changed by this very look: then what it had read is no longer so."""
    return any(line.kind == "customer" and line.result == "synced" for line in outcome.lines)
