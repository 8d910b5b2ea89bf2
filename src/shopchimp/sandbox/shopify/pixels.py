"""The web pixel of the app in one shop (shopify.md section 6): none until the app makes it, and never more than one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from shopchimp.sandbox.extension import Extension
from shopchimp.sandbox.shopify.store import number_of

FIRST_PIXEL: Final = 1_100_000_000


class _Refused(Exception):
    def __init__(self, message: str, code: str, field: list[str] | None = None) -> None:
        super().__init__(message)
        error = {"field": field, "message": message, "code": code}
        self.payload: dict[str, Any] = {"webPixel": None, "userErrors": [error]}


@dataclass(slots=True)
class Pixels:
    extension: Extension | None = None
    number: int = FIRST_PIXEL
    settings: dict[str, str] | None = None  # None: the app has no pixel in this shop

    def get(self, gid: str | None) -> dict[str, Any] | None:
        """Without an id: the app's own."""
        if self.settings is None or (gid is not None and number_of(gid, "WebPixel") != self.number):
            return None
        return self._shown()

    def create(self, given: Any) -> dict[str, Any]:
        if self.settings is not None:
            return _Refused("Web pixel has already been taken", "TAKEN").payload
        try:
            settings = self._checked(given)
        except _Refused as refused:
            return refused.payload
        self.number += 1
        self.settings = settings
        return {"webPixel": self._shown(), "userErrors": []}

    def update(self, gid: str, given: Any) -> dict[str, Any]:
        if self.get(gid) is None:
            return _Refused("Web pixel not found", "NOT_FOUND", ["id"]).payload
        try:
            self.settings = self._checked(given)
        except _Refused as refused:
            return refused.payload
        return {"webPixel": self._shown(), "userErrors": []}

    def delete(self, gid: str) -> dict[str, Any]:
        if self.get(gid) is None:
            error = {"field": ["id"], "message": "Web pixel not found", "code": "NOT_FOUND"}
            return {"deletedWebPixelId": None, "userErrors": [error]}
        self.settings = None
        return {"deletedWebPixelId": gid, "userErrors": []}

    def forget(self) -> None:
        """What an uninstall leaves of it."""
        self.settings = None

    def _checked(self, given: Any) -> dict[str, str]:
        """The settings, an object or its text. The fields are those of the extension's toml."""
        field = ["webPixel", "settings"]
        if self.extension is None:
            raise _Refused("No extension found", "NO_EXTENSION")
        if given in (None, "", {}):
            raise _Refused("Settings can't be blank", "BLANK", field)
        if isinstance(given, str):
            try:
                given = orjson.loads(given)
            except orjson.JSONDecodeError as error:
                raise _Refused("Settings must be valid JSON", "INVALID_CONFIGURATION_JSON", field) from error
        if not isinstance(given, Mapping):
            raise _Refused("Settings must be a JSON object", "INVALID_CONFIGURATION_JSON", field)
        wanted = self.extension.fields
        right = given.keys() == wanted.keys() and all(
            isinstance(value, str) and len(value) >= wanted[name] and "\n" not in value for name, value in given.items()
        )
        if not right:
            raise _Refused("Settings are invalid", "INVALID_SETTINGS", field)
        return dict(given)

    def _shown(self) -> dict[str, Any]:
        text = orjson.dumps(self.settings).decode()
        return {"__typename": "WebPixel", "id": f"gid://shopify/WebPixel/{self.number}", "settings": text}
