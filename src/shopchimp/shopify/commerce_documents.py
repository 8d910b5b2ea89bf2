"""The GraphQL texts about products, orders, checkouts and discounts, with every field that `domain.commerce` reads.

Tests check each against the whole Admin schema, and the fields against what the mappings read. Of the bulk ones:
`edges` and `node` only, an id on each parent, at most five connections, two deep, none inside a list (shopify.md 5).
"""

from __future__ import annotations

import json

CHANGES_AT_ONCE = 250
CHECKOUTS_AT_ONCE = 50
DISCOUNTS_AT_ONCE = 50
CODES_AT_ONCE = 250
CODES_INSIDE = 10  # most discounts have one code: they need no call of their own

_MONEY = "{ shopMoney { amount currencyCode } }"
_PAGE = "pageInfo { hasNextPage endCursor }"
_PLACE = "firstName lastName company address1 address2 city province provinceCode country countryCodeV2 zip"
_ADDRESS = f"{{ {_PLACE} phone latitude longitude }}"
_BUYER = "customer { id firstName lastName defaultEmailAddress { emailAddress } }"
_PICTURE = "preview { image { url } }"
_SUMS = "\n".join(
    f"{name} {_MONEY}"
    for name in (
        "totalPriceSet",
        "currentTotalPriceSet",
        "currentTotalDiscountsSet",
        "currentTotalTaxSet",
        "currentShippingPriceSet",
        "totalRefundedSet",
    )
)

# ------------------------------------------------------------------ products

_PRODUCT = f"""
id title handle descriptionHtml productType vendor status createdAt updatedAt publishedAt onlineStoreUrl
featuredMedia {{ id {_PICTURE} }}
priceRangeV2 {{ minVariantPrice {{ amount currencyCode }} }}
"""
_VARIANT = """
id title sku price availableForSale inventoryQuantity inventoryPolicy
inventoryItem { id tracked }
"""
_VARIANT_ALONE = f"{_VARIANT} media(first: 1) {{ nodes {{ id {_PICTURE} }} }}"  # a variant has one picture at most
_MEDIA = f"id mediaContentType {_PICTURE}"

PRODUCTS_IN_BULK = f"""\
query BulkProducts {{
  products {{ edges {{ node {{
    {_PRODUCT}
    media {{ edges {{ node {{ {_MEDIA} }} }} }}
    variants {{ edges {{ node {{ {_VARIANT} media {{ edges {{ node {{ id {_PICTURE} }} }} }} }} }} }}
  }} }} }}
}}
"""

# What is gone is null in its place.
PRODUCTS_BY_ID = f"""\
query ProductsById($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Product {{
    {_PRODUCT}
    media(first: 50) {{ nodes {{ {_MEDIA} }} {_PAGE} }}
    variants(first: 100) {{ nodes {{ {_VARIANT_ALONE} }} {_PAGE} }}
  }} }}
}}
"""

PRODUCT_VARIANTS = f"""\
query ProductVariants($id: ID!, $after: String) {{
  product(id: $id) {{ id variants(first: 250, after: $after) {{ nodes {{ {_VARIANT_ALONE} }} {_PAGE} }} }}
}}
"""

PRODUCT_MEDIA = f"""\
query ProductMedia($id: ID!, $after: String) {{
  product(id: $id) {{ id media(first: 250, after: $after) {{ nodes {{ {_MEDIA} }} {_PAGE} }} }}
}}
"""

PRODUCTS_CHANGED = f"""\
query ProductsChanged($query: String, $after: String) {{
  products(first: {CHANGES_AT_ONCE}, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ id updatedAt }}
    {_PAGE}
  }}
}}
"""

# ------------------------------------------------------------------ customers

# What they are is read with the contacts.
CUSTOMER_CHANGES = f"""\
query CustomerChanges($query: String, $after: String) {{
  customers(first: {CHANGES_AT_ONCE}, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ id updatedAt }}
    {_PAGE}
  }}
}}
"""

# ------------------------------------------------------------------ orders

_ORDER = f"""
id name email phone test createdAt processedAt updatedAt cancelledAt displayFinancialStatus displayFulfillmentStatus
cartToken checkoutToken discountCodes statusPageUrl
{_SUMS}
{_BUYER}
billingAddress {_ADDRESS}
shippingAddress {_ADDRESS}
shippingLine {{ title code }}
customerJourneySummary {{ firstVisit {{ landingPage }} lastVisit {{ landingPage }} }}
fulfillments(first: 50) {{ status trackingInfo(first: 10) {{ company number url }} }}
"""
_LINE = f"""
id title variantTitle sku vendor quantity currentQuantity requiresShipping
originalUnitPriceSet {_MONEY}
discountAllocations {{ allocatedAmountSet {_MONEY} discountApplication {{ index }} }}
product {{ id productType }}
variant {{ id }}
image {{ url }}
"""
_APPLIED = """
__typename index
value { __typename ... on MoneyV2 { amount currencyCode } ... on PricingPercentageValue { percentage } }
... on DiscountCodeApplication { code }
"""


def orders_in_bulk(query: str = "") -> str:
    """All orders that we may see, with their lines; or those that a search finds (`created_at:>='2026-01-01'`)."""
    found = f"(query: {json.dumps(query)})" if query else ""
    return f"""\
query BulkOrders {{
  orders{found} {{ edges {{ node {{
    {_ORDER}
    lineItems {{ edges {{ node {{ {_LINE} }} }} }}
    discountApplications {{ edges {{ node {{ {_APPLIED} }} }} }}
  }} }} }}
}}
"""


ORDERS_IN_BULK = orders_in_bulk()

# What is gone, or too old to be seen without read_all_orders, is null in its place.
ORDERS_BY_ID = f"""\
query OrdersById($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Order {{
    {_ORDER}
    lineItems(first: 50) {{ nodes {{ {_LINE} }} {_PAGE} }}
    discountApplications(first: 20) {{ nodes {{ {_APPLIED} }} {_PAGE} }}
  }} }}
}}
"""

ORDER_LINES = f"""\
query OrderLines($id: ID!, $after: String) {{
  order(id: $id) {{ id lineItems(first: 250, after: $after) {{ nodes {{ {_LINE} }} {_PAGE} }} }}
}}
"""

ORDER_DISCOUNTS = f"""\
query OrderDiscounts($id: ID!, $after: String) {{
  order(id: $id) {{ id discountApplications(first: 250, after: $after) {{ nodes {{ {_APPLIED} }} {_PAGE} }} }}
}}
"""

ORDERS_CHANGED = f"""\
query OrdersChanged($query: String, $after: String) {{
  orders(first: {CHANGES_AT_ONCE}, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ id updatedAt }}
    {_PAGE}
  }}
}}
"""

# ------------------------------------------------------------------ abandoned checkouts

_CHECKOUT_LINE = f"""
id title variantTitle sku quantity
originalUnitPriceSet {_MONEY}
product {{ id productType }}
variant {{ id }}
image {{ url }}
"""

# They can't be sorted by their last change, nor read by token.
CHECKOUTS_CHANGED = f"""\
query CheckoutsChanged($query: String, $after: String) {{
  abandonedCheckouts(first: {CHECKOUTS_AT_ONCE}, after: $after, query: $query, sortKey: CREATED_AT) {{
    nodes {{
      id name createdAt updatedAt completedAt abandonedCheckoutUrl discountCodes
      {_BUYER}
      billingAddress {{ {_PLACE} }}
      shippingAddress {{ {_PLACE} }}
      totalPriceSet {_MONEY}
      totalTaxSet {_MONEY}
      totalDiscountSet {_MONEY}
      lineItems(first: 50) {{ nodes {{ {_CHECKOUT_LINE} }} {_PAGE} }}
    }}
    {_PAGE}
  }}
}}
"""

CHECKOUT_LINES = f"""\
query CheckoutLines($id: ID!, $after: String) {{
  node(id: $id) {{
    ... on AbandonedCheckout {{ id lineItems(first: 250, after: $after) {{ nodes {{ {_CHECKOUT_LINE} }} {_PAGE} }} }}
  }}
}}
"""

# ------------------------------------------------------------------ discounts

_GETS = """
customerGets {
  value {
    __typename
    ... on DiscountAmount { amount { amount currencyCode } appliesOnEachItem }
    ... on DiscountPercentage { percentage }
    ... on DiscountOnQuantity { quantity { quantity } }
  }
  items { __typename ... on AllDiscountItems { allItems } }
}
"""
_OF_ALL = f"""
title status startsAt endsAt createdAt updatedAt usageLimit asyncUsageCount
codesCount {{ count precision }}
codes(first: {CODES_INSIDE}) {{ nodes {{ id code asyncUsageCount }} {_PAGE} }}
"""
_DISCOUNT = f"""
id
discount {{
  __typename
  ... on DiscountCodeBasic {{ {_OF_ALL} summary shortSummary {_GETS} }}
  ... on DiscountCodeBxgy {{ {_OF_ALL} summary }}
  ... on DiscountCodeFreeShipping {{ {_OF_ALL} summary shortSummary }}
  ... on DiscountCodeApp {{ {_OF_ALL} }}
}}
"""
_CODED = ("DiscountCodeBasic", "DiscountCodeBxgy", "DiscountCodeFreeShipping", "DiscountCodeApp")
_CODES = f"codes(first: {CODES_AT_ONCE}, after: $after) {{ nodes {{ id code asyncUsageCount }} {_PAGE} }}"

# In the order of their ids, so that none moves while they are paged.
DISCOUNTS_PAGE = f"""\
query DiscountsPage($query: String, $after: String) {{
  discountNodes(first: {DISCOUNTS_AT_ONCE}, after: $after, query: $query, sortKey: ID) {{
    nodes {{ {_DISCOUNT} }}
    {_PAGE}
  }}
}}
"""

DISCOUNT_BY_ID = f"""\
query DiscountById($id: ID!) {{
  discountNode(id: $id) {{ {_DISCOUNT} }}
}}
"""

CODES_OF_DISCOUNT = f"""\
query DiscountRedeemCodes($id: ID!, $after: String) {{
  discountNode(id: $id) {{
    id
    discount {{ __typename {" ".join(f"... on {name} {{ {_CODES} }}" for name in _CODED)} }}
  }}
}}
"""


def codes_in_bulk(number: str) -> str:
    """All codes of one discount, by its number: paging ends at 25,000 (that discounts go in bulk is UNVERIFIED)."""
    codes = "codes { edges { node { id code asyncUsageCount } } }"
    return f"""\
query BulkCodes {{
  discountNodes(query: {json.dumps(f"id:{number}")}) {{ edges {{ node {{
    id
    discount {{ __typename {" ".join(f"... on {name} {{ {codes} }}" for name in _CODED)} }}
  }} }} }}
}}
"""


# ------------------------------------------------------------------ how many there are

COUNTS = {
    "customers": "query CustomersCount { counted: customersCount(limit: null) { count precision } }\n",
    "products": "query ProductsCount { counted: productsCount(limit: null) { count precision } }\n",
    "orders": "query OrdersCount { counted: ordersCount(limit: null) { count precision } }\n",
    "carts": "query CheckoutsCount { counted: abandonedCheckoutsCount(limit: null) { count precision } }\n",
    "promo_rules": """\
query DiscountsCount { counted: discountNodesCount(query: "method:code", limit: null) { count precision } }
""",
}
