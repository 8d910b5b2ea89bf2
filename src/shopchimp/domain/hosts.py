"""Which hosts an address may name that somebody else gave us: those on a list, over https, or this machine's own."""

from __future__ import annotations

import ipaddress


def may_fetch(scheme: str, host: str, userinfo: bytes, allowed: frozenset[str]) -> bool:
    """Whether an address of these parts may be fetched (reliability.md 6.1, outgoing URLs): a host that `allowed` names
    and no credentials, over https. On this machine a simulator may speak plain HTTP.
    """
    return host in allowed and not userinfo and (scheme == "https" or _is_here(host))


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
