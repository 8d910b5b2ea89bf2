"""Why something that the merchant wants to start doesn't start."""

from __future__ import annotations


class StartRefused(Exception):
    """A run can't be made, started or changed now. `code` is stable, `message` is for the merchant."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
