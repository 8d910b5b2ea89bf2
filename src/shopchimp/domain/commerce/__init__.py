"""Shopify's products, orders, checkouts and discounts as Mailchimp's e-commerce bodies: pure, field by field.

Every function takes a node as the API answers it (shopify.md 2.6) and gives a `Write`, a `Skip` or an `Unsupported`.
The final state of a node alone decides what is written, never the way it got there; what consent there is never
travels along.
"""
