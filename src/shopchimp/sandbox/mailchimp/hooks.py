"""One webhook of an audience: what it wants to hear, and how what it hears is signed (mailchimp.md section 7)."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

EVENTS: Final = (
    "subscribe",
    "unsubscribe",
    "profile",
    "cleaned",
    "upemail",
    "campaign",
    "sms_subscribe",
    "sms_unsubscribe",
    "upsms",
    "sms_campaign",
)
SOURCES: Final = ("user", "admin", "api")
UNLIMITED: Final = frozenset({"campaign"})  # not limited by the sources
SIGNATURE: Final = b"X-Mailchimp-Signature"

Headers = list[tuple[bytes, bytes]]


class Courier(Protocol):
    """What is needed of `shopchimp.sandbox.courier`."""

    def post(
        self,
        *,
        platform: str,
        topic: str,
        url: str,
        make: Callable[[], tuple[Headers, bytes]],
        sign: Callable[[bytes], Headers] | None = None,
        on_gone: Callable[[], None] | None = None,
    ) -> None: ...


@dataclass(slots=True, eq=False)
class Hook:
    """A hook that answered 410 is off for good: still listed, with no events, and nothing turns it on again."""

    id: str
    url: str
    events: dict[str, bool]
    sources: dict[str, bool]
    list_id: str
    secret: str | None  # None: an unsigned hook, as older ones are
    off: bool = False

    def wants(self, event: str, source: str) -> bool:
        heard = event in UNLIMITED or self.sources.get(source, False)
        return heard and self.events.get(event, False) and not self.off

    def switch_off(self) -> None:
        """Called from the courier's thread."""
        self.off = True

    def signer(self, now: Callable[[], float]) -> Callable[[bytes], Headers] | None:
        """The header for a body at the time of sending; a retry carries a new time."""
        if self.secret is None:
            return None
        secret = self.secret.encode()

        def sign(body: bytes) -> Headers:
            at = b"%d" % int(now())
            proof = hmac.new(secret, at + b"." + body, "sha256").hexdigest().encode()
            return [(SIGNATURE, b"t=" + at + b",v1=" + proof)]

        return sign

    def document(self) -> dict[str, Any]:
        """As every call but the creating one shows it: without the secret."""
        return {
            "id": self.id,
            "url": self.url,
            "events": dict.fromkeys(self.events, False) if self.off else dict(self.events),
            "sources": dict(self.sources),
            "list_id": self.list_id,
            "signing_enabled": self.secret is not None,
            "_links": [],
        }
