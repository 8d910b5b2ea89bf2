"""What must be there before orders and carts: their products, stand-ins for what is gone, and their buyers.

It is brought for many looks at once, each thing once: the orders of a sale name the same few products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shopchimp.db import buyers, commerce_items, marking, people
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.marking import Mark
from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.results import Kind, Step, Write
from shopchimp.domain.errors import Rejected, StoreGone
from shopchimp.domain.outcomes import Reason
from shopchimp.services.commerce.drafts import NO_CONTACT, draft_product
from shopchimp.services.commerce.looks import ABOUT_THE_BUYER, Look, Slice, item_of
from shopchimp.services.commerce.slices import GUEST, kept_as
from shopchimp.shopify import commerce

PATIENCE = 5  # looks that wait for the contact before the buyer is written all the same
SOON = 1.5  # seconds until the next of them
_NOT_THERE = frozenset({"mc_product_missing", "mc_customer_missing", "mc_not_in_audience"})


@dataclass(frozen=True, slots=True)
class _Needs:
    """What one look needs: products of Shopify's by number, hidden ones for what is gone, the buyer."""

    look: Look
    products: tuple[str, ...]
    stand_ins: tuple[Step, ...]
    buyer: Step | None

    @classmethod
    def of(cls, look: Look) -> _Needs:
        """Those of a look with a draft."""
        result = look.drafted().result
        if not isinstance(result, Write):
            return cls(look, (), (), None)
        stand_ins = tuple(step for step in result.needs if step.kind is not Kind.CUSTOMER)
        made = {step.body["id"] for step in stand_ins if step.kind is Kind.PRODUCT}
        products = dict.fromkeys(line["product_id"] for line in result.body["lines"] if line["product_id"] not in made)
        buyer = next((step for step in result.needs if step.kind is Kind.CUSTOMER), None)
        return cls(look, tuple(products), stand_ins, buyer)

    @property
    def names(self) -> tuple[str, ...]:
        """The products and stand-ins, each as it is named among those of others."""
        return (*self.products, *map(_name, self.stand_ins))


def bring(looks: Sequence[Look], slice_: Slice) -> None:
    """Write what these looks need and Mailchimp lacks; a look whose need can't be met ends here."""
    wanted = [_Needs.of(look) for look in looks if look.open]
    if not wanted:
        return
    with slice_.gateways.database.transaction() as tx:
        named = [each.buyer.body["id"] for each in wanted if each.buyer]
        bought = _synced(
            commerce_items.get(tx, slice_.shop_id, Kind.CUSTOMER, named)
            | commerce_items.get(tx, slice_.shop_id, GUEST, named)
        )
        products = {number for each in wanted for number in each.products}
        offered = _synced(commerce_items.get(tx, slice_.shop_id, Kind.PRODUCT, products))
        found = buyers.find(tx, slice_.shop_id, [key for each in wanted if (key := each.look.drafted().key)])
    ask_for_contacts([each.look for each in wanted if each.buyer], found, slice_)
    wanted = [each for each in wanted if each.look.open]
    missing = {number for each in wanted for number in each.products} - offered.keys()
    failed = send_products(sorted(missing), slice_)
    stand_ins = {_name(step): step for each in wanted for step in each.stand_ins}
    answers = slice_.side_by_side(slice_.write, stand_ins.values())
    failed |= {name: error for name, error in zip(stand_ins, answers, strict=True) if isinstance(error, Exception)}
    for each in wanted:
        if (error := next((failed[name] for name in each.names if name in failed), None)) is not None:
            each.look.fail(error)
    _bring_buyers([each for each in wanted if each.look.open], bought, slice_)


def write(look: Look, step: Step, slice_: Slice) -> None:
    """Write an order or a cart; where Mailchimp says that something it names isn't there, bring that, and once more."""
    try:
        slice_.write(step, known=look.known)
    except Rejected as error:
        if error.code not in _NOT_THERE:
            raise
        _bring_missing(_Needs.of(look), error.code, slice_)
        slice_.write(step, known=look.known)


def _bring_missing(needs: _Needs, what: str, slice_: Slice) -> None:
    if what == "mc_product_missing":
        for error in send_products(needs.products, slice_).values():
            raise error
        for step in needs.stand_ins:
            slice_.write(step)
    elif needs.buyer is not None and not (what == "mc_not_in_audience" and slice_.only_contacts):
        slice_.write(replace(needs.buyer, if_missing=False))


def send_products(ids: Sequence[str], slice_: Slice) -> dict[str, Exception]:
    """Write these products as they are now. They are marked too: what changes meanwhile may be written before this.

    Gives back what went wrong, by id; one that isn't there any more is looked for by the next look at the order.
    """
    if not ids:
        return {}
    nodes = commerce.products_by_ids(slice_.shopify, ids)
    drafts = [slice_.dated(draft_product(node, slice_.storefront)) for node in nodes.values()]
    answers = slice_.side_by_side(lambda draft: slice_.write(draft.step), drafts)
    failed = {draft.id: answer for draft, answer in zip(drafts, answers, strict=True) if isinstance(answer, Exception)}
    # without a digest: the look that follows writes them for sure
    written = [item_of(draft, State.SYNCED, written_at=slice_.now) for draft in drafts if draft.id not in failed]
    with slice_.gateways.database.transaction() as tx:
        commerce_items.put(tx, slice_.shop_id, written)
    with slice_.gateways.database.transaction() as tx:  # whose looks hold the change first, and then the item
        marking.mark(tx, slice_.shop_id, [Mark(f"product:{each}", "order") for each in ids])
    return failed


def _synced(items: Mapping[str, Item]) -> dict[str, Item]:
    return {each: item for each, item in items.items() if item.state == State.SYNCED}


def _name(step: Step) -> str:
    return ":".join(filter(None, (step.kind.value, step.parent, step.body["id"])))


# ------------------------------------------------------------------ buyers


def ask_for_contacts(looks: Sequence[Look], found: buyers.Found, slice_: Slice) -> None:
    """The contact goes first, so that it comes with all the first sync and live sync give it: consent, fields, tag.

    A buyer whose contact is still to come is waited for a few seconds; Mailchimp would make them a contact without
    consent, which the lane of the contacts would have to mend. Who is to be no contact is skipped; nor does an order
    bring back whom a rule of consent keeps away (M4).
    """
    marks = []
    away = _kept_away([look for look in looks if not look.known], found, slice_)
    for look in looks:
        draft = look.drafted()
        if draft.key is None or draft.key in found.contacts:
            continue
        unheard = draft.customer_id is not None and draft.key not in found.people | found.coming
        if (unheard or draft.key in found.coming) and look.change.attempts <= PATIENCE:
            look.later = SOON
            if unheard:
                marks.append(Mark(draft.key, "order", customer_id=draft.customer_id, event_at=look.change.event_at))
        elif (reason := away.get(draft.key)) is not None and not look.known:
            look.skip(reason)
        elif slice_.only_contacts and not look.known:
            look.skip(NO_CONTACT)
    if marks:
        with slice_.gateways.database.transaction() as tx:
            marking.mark(tx, slice_.shop_id, marks)


def _kept_away(looks: Sequence[Look], found: buyers.Found, slice_: Slice) -> dict[str, str]:
    """Who was looked at and left out, and why; not who was it for the settings alone, which are asked by themselves."""
    keys = {str(look.drafted().key) for look in looks} & found.people - found.contacts - found.coming
    if not keys:
        return {}
    with slice_.gateways.database.transaction() as tx:
        known = people.standings(tx, slice_.shop_id, sorted(keys))
    return {
        key: person.reason
        for key, person in known.items()
        if person.result == "skipped" and person.reason and person.reason != Reason.NON_SUBSCRIBED_OFF
    }


def _bring_buyers(wanted: Sequence[_Needs], bought: Mapping[str, Item], slice_: Slice) -> None:
    """Those Mailchimp lacks, and those who have another address since: it takes that only for a customer made anew."""
    asked: dict[str, _Needs] = {}
    for each in wanted:
        if each.buyer is not None and not _is_there(each.buyer, bought):
            asked.setdefault(each.buyer.body["id"], each)
    steps = [
        replace(each.buyer, if_missing=each.buyer.body["id"] not in bought) for each in asked.values() if each.buyer
    ]
    answers = dict(zip(asked, slice_.side_by_side(slice_.write, steps), strict=True))
    items = [
        item
        for step, each in zip(steps, asked.values(), strict=True)
        if (item := _customer(step, each.look, answers[step.body["id"]], slice_)) is not None
    ]
    with slice_.gateways.database.transaction() as tx:
        commerce_items.put(tx, slice_.shop_id, items)
    # an order knows less of them than Shopify does: the rest follows
    marks = [Mark(f"buyer:{item.id}", "order") for item in items if item.kind == Kind.CUSTOMER and item.written_at]
    if marks:
        with slice_.gateways.database.transaction() as tx:
            marking.mark(tx, slice_.shop_id, marks)
    for each in wanted:
        error = answers.get(each.buyer.body["id"]) if each.buyer is not None else None
        if isinstance(error, Rejected) and error.code in ABOUT_THE_BUYER:
            each.look.skip(error.code, error.detail[:500])
        elif error is not None:
            each.look.fail(error)


def _is_there(buyer: Step, bought: Mapping[str, Item]) -> bool:
    there = bought.get(buyer.body["id"])
    return there is not None and there.key == normalise(buyer.body["email_address"])


def _customer(step: Step, look: Look, answer: Exception | None, slice_: Slice) -> Item | None:
    """What is to be remembered of a buyer; nothing where nobody knows what came of it."""
    item = Item(
        kept_as(step),
        step.body["id"],
        State.SYNCED.value,
        key=normalise(step.body["email_address"]),
        customer_id=look.drafted().customer_id,
        written_at=slice_.now,
    )
    if answer is None:
        return item
    if not isinstance(answer, Rejected) or isinstance(answer, StoreGone):
        return None
    state = State.SKIPPED if answer.code in ABOUT_THE_BUYER else State.FAILED
    return replace(item, state=state.value, reason=answer.code, detail=answer.detail[:500], written_at=None)
