"""The JSON API: the same services as the pages, for scripts and other front ends. Errors are problem documents."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shopchimp.web.api import (
    activity,
    audits,
    commerce,
    customer_events,
    doors,
    live,
    people,
    previews,
    promo_codes,
    shop,
    stopped,
    sync_runs,
)
from shopchimp.web.api.models import Problem
from shopchimp.web.errors import PROBLEM_TYPE

_SAID = {
    401: "No valid session token or API key",
    403: "Asked for by another site's page",
    404: "Unknown, or of another shop",
    409: "Not possible as things stand; `code` says why",
    422: "The request doesn't fit; `errors` says where",
    503: "A platform isn't answering; try again later",
}
_SCHEMA = {"schema": {"$ref": "#/components/schemas/Problem"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {PROBLEM_TYPE: _SCHEMA}} for status, said in _SAID.items()
}
_RESPONSES[401]["headers"] = {
    "X-Shopify-Retry-Invalid-Session-Request": {
        "description": "Tells App Bridge to try once more with a fresh token",
        "schema": {"type": "string"},
    }
}

router = APIRouter(responses=_RESPONSES)
for part in (
    shop,
    doors,
    previews,
    sync_runs,
    live,
    stopped,
    audits,
    activity,
    people,
    promo_codes,
    commerce,
    customer_events,
):
    router.include_router(part.router)

document = APIRouter(include_in_schema=False)


@document.get("/api/v1/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """The description of this API."""
    return JSONResponse(described(request.app.openapi()))


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's description with the problem document in it, which no route returns by itself."""
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problem
    return schema
