"""What can go wrong at a platform, sorted by what the caller can do about it.

The clients translate every answer into one of these; jobs decide from the type alone whether to wait,
pause the connection or park the record. Nobody matches on message text outside the client packages.
"""

from __future__ import annotations


class PlatformError(Exception):
    """A call to Shopify or Mailchimp did not do what was asked.

    `platform` is "shopify" or "mailchimp"; `code` is the stable cause the merchant's words hang on
    (the catalogue in `domain.causes`); `detail` are the platform's own words, kept for "Technical details".
    """

    def __init__(self, platform: str, code: str, detail: str = "", *, status: int | None = None) -> None:
        super().__init__(f"{platform}: {code}: {detail}" if detail else f"{platform}: {code}")
        self.platform = platform
        self.code = code
        self.detail = detail
        self.status = status


class RateLimited(PlatformError):
    """The whole connection should wait `retry_after` seconds, then the same call may be made again."""

    def __init__(
        self, platform: str, code: str, detail: str = "", *, retry_after: float, status: int | None = None
    ) -> None:
        super().__init__(platform, code, detail, status=status)
        self.retry_after = retry_after


class Unavailable(PlatformError):
    """Nothing sure is known: a time-out, a reset, a 5xx, a body cut short. The call may have taken effect."""


class Unauthorized(PlatformError):
    """The token is dead or lacks a right. Only the merchant can mend it; work waits meanwhile."""


class Gone(PlatformError):
    """What the connection stands on is no longer there: the audience was deleted, the shop was closed."""


class Rejected(PlatformError):
    """The platform understood and said no to this record. Sending it again unchanged is of no use."""


class StoreGone(Rejected):
    """The store that orders and products are written into was deleted at Mailchimp: it is made anew, then filled."""
