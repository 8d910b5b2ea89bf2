"""Orders as they stand now (S1, S2, S17, S76, S83, S105.9 to 11, S106): edits, refunds and cancellations are in them.

`order_write` maps an order's final state; `order_writes` is the way there: quiet for history, through the statuses that
send mails for an order that has just been placed.
"""

from __future__ import annotations

from decimal import Decimal

from shopchimp.domain.commerce import statuses
from shopchimp.domain.commerce.customers import buyer
from shopchimp.domain.commerce.lines import discounts, order_lines, standing
from shopchimp.domain.commerce.money import ZERO, amount, currency_of, first_amount, number
from shopchimp.domain.commerce.results import Body, CommerceReason, Kind, Skip, Step, Write, once
from shopchimp.domain.commerce.spelling import delivery, given, link, moment, short_id, text
from shopchimp.domain.commerce.store import Node, Storefront, nodes_of

_NOT_SENT = frozenset({"CANCELLED", "ERROR", "FAILURE"})


def order_write(order: Node, store: Storefront) -> Write | Skip:
    """An order in its final state, with the buyer and the stand-ins for what was deleted before it."""
    if order.get("test"):
        return Skip(CommerceReason.TEST_ORDER)
    who = buyer(order)
    if isinstance(who, Skip):
        return who
    currency = currency_of_order(order, store)
    counted = counted_lines(order)
    lines, stand_ins = order_lines(counted, currency)
    body: Body = {
        "id": short_id(order["id"]),
        "customer": {"id": who.body["id"]},  # one that exists is named by id alone
        "financial_status": statuses.financial(order),
        "fulfillment_status": statuses.fulfilment(order),
        "currency_code": currency,
        "order_total": number(net_total(order)),
        "discount_total": number(first_amount(order, "currentTotalDiscountsSet", "totalDiscountsSet")),
        "tax_total": number(first_amount(order, "currentTotalTaxSet", "totalTaxSet")),
        "shipping_total": number(first_amount(order, "currentShippingPriceSet", "totalShippingPriceSet")),
        "promos": promos(order, counted, currency),
        "lines": lines,
    }
    body |= given(
        order_url=link(order.get("statusPageUrl")),
        landing_site=landing_site(order, store),
        processed_at_foreign=moment(order.get("processedAt") or order.get("createdAt")),
        cancelled_at_foreign=moment(order.get("cancelledAt")),
        updated_at_foreign=moment(order.get("updatedAt")),
    )
    if address := order.get("shippingAddress"):
        body["shipping_address"] = delivery(address)
    if address := order.get("billingAddress"):
        body["billing_address"] = delivery(address, order.get("phone"))  # the goods may go to somebody else
    body |= _tracking(order)
    customer = Step(Kind.CUSTOMER, who.body, if_missing=True)
    return Write(body, once((*stand_ins, customer)))


def order_writes(order: Node, store: Storefront, *, live: bool, known: bool = False) -> list[Step] | Skip:
    """Everything to write for an order, in this order.

    `live`: it was placed now, so its buyer is told where the merchant has notifications on. `known`: Mailchimp has the
    order already, so only where it stands now is news.
    """
    final = order_write(order, store)
    if isinstance(final, Skip):
        return final
    words = statuses.passes_through(final.body["financial_status"]) if live and not known else ()
    earlier = [Step(Kind.ORDER, _at(final.body, word)) for word in words[:-1]]
    return [*final.needs, *earlier, Step(Kind.ORDER, final.body)]


def _at(body: Body, word: str) -> Body:
    """The order when its money stood there: nothing had been sent yet."""
    early = {name: value for name, value in body.items() if not name.startswith("tracking_")}
    return early | {"financial_status": word, "fulfillment_status": statuses.NOTHING_YET}


def net_total(order: Node) -> Decimal:
    """What the order is worth now: its lines, shipping and taxes as they stand, less money given back beside them.

    Goods that are returned or edited away lower Shopify's current total; money given back without goods does not, so
    of the refunds only that part is taken off which the current total doesn't show.
    """
    ordered = amount(order.get("totalPriceSet")) or ZERO
    current = first_amount(order, "currentTotalPriceSet", "totalPriceSet")
    returned = max(ZERO, ordered - current)
    refunded = amount(order.get("totalRefundedSet")) or ZERO
    return max(ZERO, current - max(ZERO, refunded - returned))


def currency_of_order(order: Node, store: Storefront) -> str:
    """The currency of all its amounts: the shop's, at the time of the order."""
    money = order.get("currentTotalPriceSet") or order.get("totalPriceSet")
    return currency_of(money) or order.get("currencyCode") or store.currency


def counted_lines(order: Node) -> list[tuple[Node, int]]:
    """The order's lines with how many of each, as they stand."""
    undone = bool(order.get("cancelledAt")) or order.get("displayFinancialStatus") == "REFUNDED"
    return standing(nodes_of(order, "lineItems"), undone=undone)


def promos(order: Node, counted: list[tuple[Node, int]], currency: str) -> list[Body]:
    """The codes that were used, with what each took off. Free shipping takes 0 off, as Mailchimp wants it."""
    applied = {
        each.get("index", place): each
        for place, each in enumerate(nodes_of(order, "discountApplications"))
        if each.get("code")
    }
    if not applied:
        return _bare_codes(order)
    taken = [discounts(line, quantity, currency) for line, quantity in counted]
    return [
        {
            "code": text(each["code"]),
            "amount_discounted": number(sum((line.get(index, ZERO) for line in taken), ZERO)),
            "type": "percentage" if "percentage" in (each.get("value") or {}) else "fixed",
        }
        for index, each in applied.items()
    ]


def _bare_codes(order: Node) -> list[Body]:
    """The exports name the codes alone; the first one stands for the whole discount."""
    whole = first_amount(order, "currentTotalDiscountsSet", "totalDiscountsSet")
    return [
        {"code": text(code), "amount_discounted": number(ZERO if place else whole), "type": "fixed"}
        for place, code in enumerate(dict.fromkeys(order.get("discountCodes") or ()))
    ]


def landing_site(order: Node, store: Storefront) -> str | None:
    """The page the buyer came to, with Mailchimp's `mc_cid` and `mc_eid`: from it Mailchimp attributes the order (S83).

    Of the first and the last visit that one counts which came from a campaign, the last one first.
    """
    journey: Node = order.get("customerJourneySummary") or {}
    visits = (journey.get("lastVisit"), journey.get("firstVisit"))
    pages = [page for visit in visits if visit and (page := visit.get("landingPage"))]
    page = next((page for page in pages if "mc_cid=" in page), pages[0] if pages else None)
    return link(store.page(page)) if page else None


def shipping_method(order: Node) -> str:
    """How it is sent, in the merchant's words (S105.10)."""
    line = order.get("shippingLine") or next(iter(nodes_of(order, "shippingLines")), None) or {}
    return text(line.get("title") or line.get("code"))


def _tracking(order: Node) -> Body:
    """The newest parcel. Mailchimp has no field for the shipping method: it stands for the carrier until one is known.

    Where anything was sent, what the newest parcel has not is written as empty: left out, the link of the one before
    would stay. A query that did not ask for parcels says nothing about them.
    """
    sent = order.get("fulfillments")
    parcels = [
        tracking
        for fulfilment in sent or ()
        if fulfilment.get("status") not in _NOT_SENT
        for tracking in fulfilment.get("trackingInfo") or ()
        if tracking.get("number") or tracking.get("url")
    ]
    parcel: Node = parcels[-1] if parcels else {}
    body: Body = {"tracking_number": text(parcel.get("number"))} if sent is not None else {}
    body |= {"tracking_carrier": "", "tracking_url": ""} if sent else {}
    carrier = text(parcel.get("company")) or shipping_method(order)
    return body | given(tracking_carrier=carrier, tracking_url=link(parcel.get("url")))
