"""The app's web pixel in one shop: silent until it is made there with its settings, and gone with the app.

There is one for each app and shop. Asked for without an id Shopify gives ours, or an error where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shopchimp.domain.errors import Rejected
from shopchimp.shopify.client import PLATFORM, ShopifyClient
from shopchimp.shopify.oauth import missing_scopes

LOOK = """\
query WebPixel {
  webPixel { id settings }
}
"""

CREATE = """\
mutation WebPixelCreate($webPixel: WebPixelInput!) {
  webPixelCreate(webPixel: $webPixel) {
    webPixel { id settings }
    userErrors { field message code }
  }
}
"""

UPDATE = """\
mutation WebPixelUpdate($id: ID!, $webPixel: WebPixelInput!) {
  webPixelUpdate(id: $id, webPixel: $webPixel) {
    webPixel { id settings }
    userErrors { field message code }
  }
}
"""

DELETE = """\
mutation WebPixelDelete($id: ID!) {
  webPixelDelete(id: $id) {
    deletedWebPixelId
    userErrors { field message code }
  }
}
"""

DOCUMENTS = {"LOOK": LOOK, "CREATE": CREATE, "UPDATE": UPDATE, "DELETE": DELETE}
NEEDS = ("write_pixels", "read_customer_events")
_NONE_YET = "no web pixel was found"
_REFUSALS = {
    "NO_EXTENSION": "pixel_no_extension",
    "INVALID_SETTINGS": "pixel_other_version",
    "INVALID_SETTINGS_DEFINITION": "pixel_other_version",
    "INVALID_CONFIGURATION_JSON": "pixel_other_version",
    "INVALID_RUNTIME_CONTEXT": "pixel_other_version",
}


@dataclass(frozen=True, slots=True)
class WebPixel:
    """Our pixel as Shopify has it: its id and the settings that it runs with."""

    id: str
    settings: Mapping[str, Any]


def missing(scopes: str) -> tuple[str, ...]:
    """The permissions that a pixel needs and this shop hasn't granted."""
    return missing_scopes(NEEDS, [scope.strip() for scope in scopes.split(",")])


def look(client: ShopifyClient) -> WebPixel | None:
    """Our pixel in this shop, or None."""
    try:
        return _pixel(client.execute(LOOK, "WebPixel").get("webPixel"))
    except Rejected as error:
        if _NONE_YET in error.detail.lower():
            return None
        raise


def create(client: ShopifyClient, settings: Mapping[str, str]) -> WebPixel | None:
    """Make it. None: there is one already, made elsewhere or by a call whose answer was lost. Look at it then."""
    payload = _payload(client.execute(CREATE, "WebPixelCreate", {"webPixel": _input(settings)}), "webPixelCreate")
    return None if "TAKEN" in _codes(payload) else _made(payload)


def update(client: ShopifyClient, pixel_id: str, settings: Mapping[str, str]) -> WebPixel | None:
    """Let it run with these settings. None: it is gone."""
    variables = {"id": pixel_id, "webPixel": _input(settings)}
    payload = _payload(client.execute(UPDATE, "WebPixelUpdate", variables), "webPixelUpdate")
    return None if "NOT_FOUND" in _codes(payload) else _made(payload)


def delete(client: ShopifyClient, pixel_id: str) -> None:
    """Remove it. One that is gone already is as good."""
    payload = _payload(client.execute(DELETE, "WebPixelDelete", {"id": pixel_id}), "webPixelDelete")
    if _errors(payload) and "NOT_FOUND" not in _codes(payload):
        raise _refused(payload)


def _input(settings: Mapping[str, str]) -> dict[str, str]:
    return {"settings": orjson.dumps(dict(settings)).decode()}


def _payload(data: Mapping[str, Any], field: str) -> dict[str, Any]:
    payload = data.get(field)
    return payload if isinstance(payload, dict) else {}


def _errors(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [error for error in payload.get("userErrors") or () if isinstance(error, dict)]


def _codes(payload: Mapping[str, Any]) -> set[str]:
    return {str(error.get("code") or "") for error in _errors(payload)}


def _made(payload: Mapping[str, Any]) -> WebPixel:
    made = _pixel(payload.get("webPixel"))
    if _errors(payload) or made is None:
        raise _refused(payload)
    return made


def _refused(payload: Mapping[str, Any]) -> Rejected:
    code = next((_REFUSALS[each] for each in sorted(_codes(payload)) if each in _REFUSALS), "pixel_refused")
    said = "; ".join(str(error.get("message") or error.get("code") or "") for error in _errors(payload))
    return Rejected(PLATFORM, code, said or "no pixel in the answer")


def _pixel(found: Any) -> WebPixel | None:
    if not isinstance(found, dict) or not found.get("id"):
        return None
    settings = found.get("settings")
    if isinstance(settings, str):  # Shopify's JSON scalar may come as the text that was sent
        try:
            settings = orjson.loads(settings)
        except orjson.JSONDecodeError:
            settings = None
    return WebPixel(str(found["id"]), settings if isinstance(settings, dict) else {})
