"""Shopify's half of the sandbox: OAuth, the Admin GraphQL API, bulk operations and a small admin to click in.

`schema.graphql` is Shopify's own schema, cut by scripts/prune_shopify_schema.py. Rules come from the contract
notes (reference/shopify.md: 2.4 consent, 2.5 customers, 4 tokens, 5 costs and bulk operations);
each module names its section.
"""
