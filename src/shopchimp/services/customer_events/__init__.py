"""Customer events, both ways: what visitors do in the store, and what contacts do with a message."""

PIXEL, POLL_CAMPAIGNS = "pixel", "poll_campaigns"
"""The regular chores of customer events: the shop's pixel at Shopify, and what contacts did with campaigns."""
