"""What must be so when it is quiet: told by the book of the lives and by both sandboxes, never by the product's tables.

Which orders and carts must be in Mailchimp, who may be told of them, and whose consent moved is judged by rules written
here. The bodies are those of the pure mapping of Shopify's final nodes, read with documents of our own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from order_lives import Era, OrderBook, Row, Town

from shopchimp.domain.commerce.carts import cart_write
from shopchimp.domain.commerce.orders import order_write
from shopchimp.domain.commerce.products import product_write
from shopchimp.domain.commerce.results import CommerceReason, Skip
from shopchimp.domain.commerce.store import Storefront

_MONEY = "{ shopMoney { amount currencyCode } }"
_ADDRESS = (
    "{ firstName lastName company address1 address2 city province provinceCode zip country countryCodeV2 phone"
    " longitude latitude }"
)
_CUSTOMER = "customer { id firstName lastName defaultEmailAddress { emailAddress } }"
_ORDERS = f"""
query LivesOrders($after: String) {{ orders(first: 20, after: $after) {{ pageInfo {{ hasNextPage endCursor }} nodes {{
    id email phone test {_CUSTOMER} currencyCode statusPageUrl createdAt processedAt cancelledAt updatedAt
    displayFinancialStatus displayFulfillmentStatus checkoutToken discountCodes
    totalPriceSet {_MONEY} currentTotalPriceSet {_MONEY} totalDiscountsSet {_MONEY} currentTotalDiscountsSet {_MONEY}
    totalTaxSet {_MONEY} currentTotalTaxSet {_MONEY} totalShippingPriceSet {_MONEY} currentShippingPriceSet {_MONEY}
    totalRefundedSet {_MONEY} shippingAddress {_ADDRESS} billingAddress {_ADDRESS}
    shippingLine {{ title code }} fulfillments {{ status trackingInfo {{ company number url }} }}
    customerJourneySummary {{ firstVisit {{ landingPage }} lastVisit {{ landingPage }} }}
    discountApplications(first: 5) {{ nodes {{ index value {{ __typename ... on PricingPercentageValue {{ percentage }} }}
        ... on DiscountCodeApplication {{ code }} }} }}
    lineItems(first: 50) {{ nodes {{ id title variantTitle sku vendor quantity currentQuantity requiresShipping
        originalUnitPriceSet {_MONEY} totalDiscountSet {_MONEY}
        discountAllocations {{ allocatedAmountSet {_MONEY} discountApplication {{ index }} }}
        product {{ id }} variant {{ id }} image {{ url }} }} }} }} }} }}
"""
_CHECKOUTS = f"""
query LivesCheckouts($after: String) {{ abandonedCheckouts(first: 20, after: $after) {{
    pageInfo {{ hasNextPage endCursor }} nodes {{
    id name createdAt updatedAt completedAt abandonedCheckoutUrl {_CUSTOMER} billingAddress {_ADDRESS}
    shippingAddress {_ADDRESS} totalPriceSet {_MONEY} totalTaxSet {_MONEY}
    lineItems(first: 50) {{ nodes {{ id title variantTitle sku quantity originalUnitPriceSet {_MONEY}
        product {{ id }} variant {{ id }} }} }} }} }} }}
"""
_PRODUCTS = """
query LivesProducts($after: String) { products(first: 5, after: $after) { pageInfo { hasNextPage endCursor } nodes {
    id title handle status vendor productType descriptionHtml onlineStoreUrl publishedAt
    featuredMedia { id mediaContentType preview { image { url } } }
    media(first: 20) { nodes { id mediaContentType preview { image { url } } } }
    variants(first: 250) { nodes { id title sku price inventoryQuantity inventoryPolicy availableForSale
        inventoryItem { tracked } media(first: 1) { nodes { id preview { image { url } } } } } } } } }
"""
DOCUMENTS = {"LivesOrders": _ORDERS, "LivesCheckouts": _CHECKOUTS, "LivesProducts": _PRODUCTS}
_ROOTS = {"LivesOrders": "orders", "LivesCheckouts": "abandonedCheckouts", "LivesProducts": "products"}

_MAILS = {"pending": "confirmation", "paid": "invoice", "refunded": "refund", "cancelled": "cancellation"}
_ABOUT_ROW = frozenset({"platform", "kind", "key", "store"})

Execute = Callable[[str, str, Mapping[str, Any]], Row]


@dataclass
class Ending:
    """Both platforms as they are now, and all that was written to Mailchimp on the way."""

    orders: dict[str, Row]
    checkouts: dict[str, Row]
    products: dict[str, Row]
    there: dict[str, dict[str, Row]]  # kind -> id -> what Mailchimp has
    contacts: dict[str, Row]
    unreachable: frozenset[str]  # customers whose address Shopify calls invalid and who are no contacts
    writes: list[Row]
    storefront: Storefront


def read_ending(
    execute: Execute,
    shopify: Iterable[Row],
    mailchimp: Iterable[Row],
    writes: list[Row],
    storefront: Storefront,
    *,
    audience: str,
) -> Ending:
    """What is to be judged. `execute` asks Shopify; `shopify` and `mailchimp` are the rows of the sandbox's state.

    Of a checkout that is no customer's the API hides the address: only webhooks tell it.
    """
    nodes, shopify = {name: _all_nodes(execute, name) for name in DOCUMENTS}, list(shopify)
    addresses = {row["token"]: row["email"] for row in shopify if row.get("kind") == "checkout"}
    for node in nodes["LivesCheckouts"]:
        node["email"] = addresses.get(_token(node))
    there: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    contacts: dict[str, Row] = {}
    for row in mailchimp:
        if "kind" in row:
            there[row["kind"]][row["key"]] = row
        elif row["audience"] == audience:
            contacts[row["email"].lower()] = row
    invalid = [row for row in shopify if row.get("marketingState") == "INVALID"]
    return Ending(
        orders={_number(each["id"]): each for each in nodes["LivesOrders"]},
        checkouts={_token(each): each for each in nodes["LivesCheckouts"]},
        products={_number(each["id"]): each for each in nodes["LivesProducts"]},
        there=there,
        contacts=contacts,
        unreachable=frozenset(row["id"] for row in invalid if (row["email"] or "").lower() not in contacts),
        writes=writes,
        storefront=storefront,
    )


def _all_nodes(execute: Execute, name: str) -> list[Row]:
    found: list[Row] = []
    after = None
    while True:
        page = execute(DOCUMENTS[name], name, {"after": after})[_ROOTS[name]]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def _number(gid: str) -> str:
    return gid.rpartition("/")[2]


def _token(checkout: Row) -> str:
    """It is in the address alone."""
    return checkout["abandonedCheckoutUrl"].partition("/recover")[0].rpartition("/")[2]


@dataclass
class Judge:
    """Looks at everything once; `wrong` is what was found, by kind, each with the life it belongs to."""

    town: Town
    end: Ending
    statuses: Mapping[str, str]  # of contacts when live sync began
    late: Mapping[str, int] = field(default_factory=dict)  # writes that went out after their worker stood still
    wrong: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def judge(self) -> dict[str, list[str]]:
        self._orders()
        self._carts()
        self._products()
        self._mails()
        self._contacts()
        self._customers()
        return dict(self.wrong)

    def _say(self, kind: str, thing: str, what: object = "") -> None:
        self.wrong[kind].append(f"{thing}: {what}\n{self._life(thing)}")

    def _life(self, thing: str) -> str:
        name = self.town.owner.get(thing, "")
        told = [f"    {line}" for story in self.town.stories if story.name == name for line in story.lines]
        return "\n".join([f"  {name} (seed {self.town.seed})", *told])

    # ---------------------------------------------------------------- orders

    def _orders(self) -> None:
        there = self.end.there["order"]
        for number, node in self.end.orders.items():
            write = order_write(node, self.end.storefront)
            if self._is_unreachable(node):
                self.counts["orders of the unreachable"] += 1
                if number in there:
                    self._say("an order of somebody unreachable is there", number)
            elif isinstance(write, Skip):
                self.counts["orders that don't belong there"] += 1
                erased = write.reason is CommerceReason.NO_EMAIL and self._was_somebodys(number)
                if number in there and not erased:  # what Mailchimp has of an erased buyer is the eraser's to remove
                    self._say("an order that doesn't belong into Mailchimp is there", number, write.reason)
            elif number not in there:
                self._say("an order is missing", number, node["displayFinancialStatus"])
            else:
                self.counts["orders equal"] += 1
                self._same("an order is not as in Shopify", number, there[number], write.body, node)
        for number in there.keys() - self.end.orders.keys():
            self._say("an order that was deleted is still there", number)

    def _is_unreachable(self, node: Row) -> bool:
        """Who is left out as a contact is left out as a buyer: Mailchimp would make them a contact."""
        return bool(node["customer"]) and node["customer"]["id"] in self.end.unreachable

    def _was_somebodys(self, number: str) -> bool:
        book = self.town.orders.get(number)
        return book is not None and book.was_somebodys

    def _same(self, kind: str, thing: str, there: Row, wanted: Row, node: Row) -> None:
        gone = self._lines_of_what_is_gone(node)
        found = {name: value for name, value in there.items() if name not in _ABOUT_ROW}
        wanted = {name: value for name, value in wanted.items() if name != "id"}
        differences = [
            f"{name}: {found.get(name)!r} instead of {wanted.get(name)!r}"
            for name in sorted(found.keys() | wanted.keys())
            if name != "lines" and found.get(name) != wanted.get(name)
        ]
        ours = {line["id"]: line for line in wanted["lines"]}
        theirs = {line["id"]: line for line in found["lines"]}
        if gone and kind.startswith("a cart"):  # its lines are called by what they hold
            ours = {str(place): line for place, line in enumerate(sorted(ours.values(), key=_worth))}
            theirs = {str(place): line for place, line in enumerate(sorted(theirs.values(), key=_worth))}
            gone = frozenset(ours)
        if ours.keys() != theirs.keys():
            differences.append(f"lines {sorted(theirs)} instead of {sorted(ours)}")
        for line_id in ours.keys() & theirs.keys():
            loose = {"product_id", "product_variant_id", *({"id"} if kind.startswith("a cart") else ())}
            loose = loose if line_id in gone else set()
            for name in sorted(ours[line_id].keys() | theirs[line_id].keys()):
                if name not in loose and ours[line_id].get(name) != theirs[line_id].get(name):
                    mine, other = ours[line_id].get(name), theirs[line_id].get(name)
                    differences.append(f"line {line_id} {name}: {other!r} instead of {mine!r}")
        for line in theirs.values():
            product = self.end.there["product"].get(line["product_id"])
            variants = [each["id"] for each in product["variants"]] if product else []
            if line["product_variant_id"] not in variants:
                differences.append(f"line {line['id']} names {line['product_id']}/{line['product_variant_id']}")
        if differences:
            self._say(kind, thing, "; ".join(differences))

    @staticmethod
    def _lines_of_what_is_gone(node: Row) -> frozenset[str]:
        """Of a product that was deleted, either it or its stand-in is named: both are right."""
        lines = node["lineItems"]["nodes"]
        return frozenset(_number(line["id"]) for line in lines if not (line["product"] and line["variant"]))

    # ---------------------------------------------------------------- carts

    def _carts(self) -> None:
        there = self.end.there["cart"]
        ordered = {node["checkoutToken"] for node in self.end.orders.values() if node["checkoutToken"]}
        ordered |= {token for token, state in self.town.checkouts.items() if state == "ordered"}
        for token in sorted(there):
            if token in ordered:
                self._say("a cart survived its order", token)
            elif self.town.checkouts.get(token) == "deleted":
                self._say("a cart survived its checkout", token)
            elif token not in self.end.checkouts:
                self._say("a cart that nobody knows", token)
        for token, node in self.end.checkouts.items():
            write = cart_write(node, self.end.storefront, ordered=token in ordered)
            if self._is_unreachable(node):
                self.counts["carts of the unreachable"] += 1
                if token in there:
                    self._say("a cart of somebody unreachable is there", token)
            elif isinstance(write, Skip):
                self.counts["checkouts that are no cart"] += 1
                if token in there and token not in ordered:
                    self._say("a cart that doesn't belong into Mailchimp is there", token, write.reason)
            elif token not in there and not node["customer"]:
                self.counts["carts of nobody the API names"] += 1  # each webhook that did may have been lost
            elif token not in there:
                self._say("a cart is missing", token)
            else:
                self.counts["carts equal"] += 1
                self._same("a cart is not as in Shopify", token, there[token], write.body, node)

    # ---------------------------------------------------------------- products

    def _products(self) -> None:
        there = self.end.there["product"]
        for number, node in self.end.products.items():
            wanted = product_write(node).body
            if number not in there:
                self._say("a product is missing", number)
                continue
            self.counts["products equal"] += 1
            found = there[number]
            differences = [
                f"{name}: {found.get(name)!r} instead of {wanted.get(name)!r}"
                for name in wanted
                if name not in ("id", "variants", "images") and found.get(name) != wanted.get(name)
            ]
            ours = {each["id"]: each for each in wanted["variants"]}
            theirs = {each["id"]: each for each in found["variants"]}
            for variant_id, mine in ours.items():
                other = theirs.get(variant_id, {})
                # the sandbox counts the stock of what is sold without a word about it
                names = [name for name in mine if name != "inventory_quantity"]
                differences += [
                    f"variant {variant_id} {name}: {other.get(name)!r} instead of {mine[name]!r}"
                    for name in names
                    if other.get(name) != mine[name]
                ]
            for variant_id in theirs.keys() - ours.keys():
                if _is_offered(theirs[variant_id]):
                    differences.append(f"variant {variant_id} is gone and still offered")
            if differences:
                self._say("a product is not as in Shopify", number, "; ".join(differences))
        for number in there.keys() - self.end.products.keys():
            if any(_is_offered(each) for each in there[number]["variants"]):
                self._say("a product that is gone is still offered", number, there[number]["title"])

    # ---------------------------------------------------------------- mails

    def _mails(self) -> None:
        """Nobody is told twice, nor of what was before live sync; who is told is told where it stands now."""
        sent = mails_of(self.end.writes)
        for number, counted in sent.items():
            book = self.town.orders.get(number)
            if any(number in path for path in self.late):  # it went out between the look at the lease and the wire
                self.counts["orders a worker stood still over"] += 1
                continue
            for mail, times in counted.items():
                self.counts[f"mails: {mail}"] += times
                if times > 1:
                    self._say("somebody was told twice", number, f"{mail} {times} times")
                if book is None or not self._may_be_told(book, mail):
                    late = book is not None and book.unreachable_before
                    kind = "somebody was told of a past that came late" if late else "somebody was told of the past"
                    self._say(kind, number, mail)
        for number, book in self.town.orders.items():
            row = self.end.there["order"].get(number)
            if row is None or book.era is not Era.LIVE or book.deleted:
                continue
            now = _MAILS.get(row["financial_status"])
            wanted = [now] if now else []
            wanted += ["confirmation"] if book.always_paid else []
            wanted += ["shipping"] if row["fulfillment_status"] == "shipped" else []
            for mail in wanted:
                if not sent[number][mail]:
                    self._say("somebody was not told", number, mail)

    @staticmethod
    def _may_be_told(book: OrderBook, mail: str) -> bool:
        if mail == "new":
            return book.era is not Era.BEFORE
        status = {"confirmation": "pending", "shipping": "shipped"}.get(mail)
        status = status or next(word for word, each in _MAILS.items() if each == mail)
        since = Era.BEFORE if book.era is not Era.BEFORE else Era.DURING
        if book.times(status, since=since):
            return True
        return mail == "confirmation" and book.era is not Era.BEFORE and book.times("paid", since=since) > 0

    # ---------------------------------------------------------------- people

    def _contacts(self) -> None:
        for email, before in self.statuses.items():
            contact = self.end.contacts.get(email)
            if email not in self.town.moved and (contact is None or contact["status"] != before):
                self._say("commerce changed a contact", email, f"{before}, now {contact and contact['status']}")
        for email, contact in self.end.contacts.items():
            if email not in self.statuses and email not in self.town.moved and contact["status"] == "subscribed":
                self._say("commerce subscribed somebody", email, contact["status"])

    def _customers(self) -> None:
        for row in self.end.writes:
            if row["kind"] == "ecommerce_customer" and row["content"].get("opt_in_status"):
                self._say("a customer was written with consent", row["key"])
        known = self.end.there["ecommerce_customer"]
        for kind in ("order", "cart"):
            for key, row in self.end.there[kind].items():
                customer = known.get(row["customer"]["id"])
                node = self.end.orders.get(key) or self.end.checkouts.get(key)
                if customer is None:
                    self._say("an order's customer is missing", key, row["customer"])
                elif node and node["customer"]:
                    email = node["customer"]["defaultEmailAddress"]["emailAddress"]
                    self.counts["customers with an old address"] += customer["email_address"].lower() != email.lower()


def mails_of(writes: Iterable[Row]) -> defaultdict[str, Counter[str]]:
    """What Mailchimp would have mailed about each order, by what was written: each time it comes to have a status."""
    sent: defaultdict[str, Counter[str]] = defaultdict(Counter)
    orders: dict[str, Row] = {}
    syncing: dict[str, bool] = {}
    for row in writes:
        if row["platform"] != "mailchimp":
            continue
        content, key = row["content"], row["key"]
        if row["kind"] == "store":
            syncing[key] = bool(content.get("is_syncing"))
        if row["kind"] != "order":
            continue
        store, number = key.split("/")
        if content.get("deleted"):
            orders.pop(key, None)
            continue
        before = orders.get(key, {})
        orders[key] = content
        if syncing.get(store):
            continue
        status = content.get("financial_status", "")
        if not before:
            sent[number]["new"] += 1
        if status != before.get("financial_status", "") and status in _MAILS:
            sent[number][_MAILS[status]] += 1
        if content.get("fulfillment_status") == "shipped" != before.get("fulfillment_status"):
            sent[number]["shipping"] += 1
    return sent


def _is_offered(variant: Row) -> bool:
    return variant.get("visibility", "visible") != "hidden" or variant.get("inventory_quantity", 0) > 0


def _worth(line: Row) -> tuple[float, int]:
    return line["price"], line["quantity"]
