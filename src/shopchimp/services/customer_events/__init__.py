"""Customer events, both ways: what visitors do in the store, and what contacts do with a message."""
