"""How often somebody may speak: token buckets in bounded memory, one process' own."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable


class Buckets:
    """One bucket a key: it holds `burst` tokens and gets `rate` a second. Of `most` keys the newest are remembered.

    Whoever is forgotten begins anew with a full bucket: it would have filled up by then, unless somebody invents keys,
    and then the keys of another kind are what stops them.
    """

    def __init__(self, rate: float, burst: float, most: int) -> None:
        self.rate = rate
        self.burst = burst
        self.most = most
        self._kept: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, now: float) -> bool:
        """Take one token (`now` in seconds of any clock that only goes on). False: there is none left."""
        left, at = self._kept.get(key, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.rate)
        allowed = left >= 1.0
        self._kept[key] = (left - 1.0 if allowed else left, now)
        self._kept.move_to_end(key)
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._kept)


def counted_address(client: str | None) -> str | None:
    """The address as it is counted: of IPv6 the network that one household has. None for one that says nothing about
    the visitor: a proxy on this machine or in this network, which didn't tell us theirs.
    """
    try:
        found = ipaddress.ip_address(client or "")
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if not found.is_global:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)).network_address)
    return str(found)
