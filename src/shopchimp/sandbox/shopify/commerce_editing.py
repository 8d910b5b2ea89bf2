"""What shoppers and the merchant do with products, orders, checkouts, carts and discounts. Never the app under test.

`{"kind": "order" | "product" | "checkout" | "cart" | "discount", "do": ..., "id": ...}`; money is in cents, lines are
`{"variant": number, gid or sku, "quantity", "price"?}` or, of an order there is, `{"line": position or number,
"quantity"}`.

- order: create (email, customer_id, lines, discount, shipping, tax, currency, test, paid, authorized, checkout,
  landing_site, created_at), pay, edit (add, remove), refund (lines, or amount, or nothing: all of it; restock),
  cancel (reason), fulfil (lines, tracking, company, url), update (set: email, note, tags), delete
- product: create, update (set: title, html, vendor, type, tags, status, published, images; variants: changes by id,
  add_variants, remove_variants), delete
- checkout: create, update (email, phone, customer_id, lines, accepts_marketing ...), complete (makes the order), delete
- cart: create, update
- discount: create (type, title, codes or prefix and count, percent or amount ...), update (set), add_codes,
  remove_codes, delete
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from shopchimp.sandbox.shopify import checkout_editing, discount_editing, order_editing, product_editing
from shopchimp.sandbox.shopify.edit_values import Change

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop


def edit_commerce(shop: "Shop", change: Change) -> Mapping[str, Any]:
    action = _ACTIONS.get((change["kind"], change.get("do", "")))
    if action is None:
        raise ValueError(f"nobody can {change.get('do')!r} a {change['kind']!r}")
    return action(shop, change)


_ACTIONS: Final[Mapping[tuple[str, str], Callable[["Shop", Change], Mapping[str, Any]]]] = {
    ("order", "create"): order_editing.create_order,
    ("order", "pay"): order_editing.pay,
    ("order", "edit"): order_editing.edit_order,
    ("order", "refund"): order_editing.refund,
    ("order", "cancel"): order_editing.cancel,
    ("order", "fulfil"): order_editing.fulfil,
    ("order", "update"): order_editing.update_order,
    ("order", "delete"): order_editing.delete_order,
    ("product", "create"): product_editing.create_product,
    ("product", "update"): product_editing.update_product,
    ("product", "delete"): product_editing.delete_product,
    ("checkout", "create"): checkout_editing.create_checkout,
    ("checkout", "update"): checkout_editing.update_checkout,
    ("checkout", "complete"): checkout_editing.complete_checkout,
    ("checkout", "delete"): checkout_editing.delete_checkout,
    ("cart", "create"): checkout_editing.create_cart,
    ("cart", "update"): checkout_editing.update_cart,
    ("discount", "create"): discount_editing.create_discount,
    ("discount", "update"): discount_editing.update_discount,
    ("discount", "add_codes"): discount_editing.add_codes,
    ("discount", "remove_codes"): discount_editing.remove_codes,
    ("discount", "delete"): discount_editing.delete_discount,
}
