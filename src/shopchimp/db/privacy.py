"""Privacy requests: kept sealed until they are carried out, then only the proof."""

from __future__ import annotations


def body_context(digest: bytes) -> str:
    """What a sealed body is bound to."""
    return f"privacy-request:{digest.hex()}"
