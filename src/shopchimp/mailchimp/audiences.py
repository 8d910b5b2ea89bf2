"""Audiences and their merge fields (the API's lists), and the account they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shopchimp.mailchimp.client import MailchimpClient


@dataclass(frozen=True, slots=True)
class Audience:
    """One audience as the merchant picks it. Counts are Mailchimp's own, minutes old."""

    id: str
    name: str
    contacts: int
    subscribed: int
    double_optin: bool


@dataclass(frozen=True, slots=True)
class MergeField:
    """One merge field of an audience: its tag (the key in `merge_fields`) and its type."""

    tag: str
    name: str
    type: str
    required: bool


def all_audiences(client: MailchimpClient) -> list[Audience]:
    """Every audience of the account (GET /lists)."""
    fields = "lists.id,lists.name,lists.double_optin,lists.stats.member_count,lists.stats.total_contacts,total_items"
    params = {"count": 1000, "include_total_contacts": "true", "fields": fields}
    body = client.get("/lists", "/lists", params)
    return [_audience(item) for item in body.get("lists", [])]


def one(client: MailchimpClient, audience_id: str) -> Audience:
    """The audience as it is now (GET /lists/{list_id}). Raises Gone where it was deleted."""
    params = {"include_total_contacts": "true", "fields": "id,name,double_optin,stats"}
    return _audience(client.get(f"/lists/{audience_id}", "/lists/{list_id}", params))


def merge_fields(client: MailchimpClient, audience_id: str) -> dict[str, MergeField]:
    """The audience's merge fields by tag (GET /lists/{list_id}/merge-fields)."""
    route = "/lists/{list_id}/merge-fields"
    body = client.get(f"/lists/{audience_id}/merge-fields", route, {"count": 1000})
    found = (_merge_field(item) for item in body.get("merge_fields", []))
    return {field.tag: field for field in found}


def add_merge_field(client: MailchimpClient, audience_id: str, *, tag: str, name: str, kind: str) -> MergeField:
    """Add a merge field that doesn't show on the merchant's signup form (POST, `public: false`)."""
    body = {"tag": tag, "name": name, "type": kind, "public": False, "required": False}
    answer = client.send("POST", f"/lists/{audience_id}/merge-fields", "/lists/{list_id}/merge-fields", body=body)
    return _merge_field(answer)


def _audience(item: dict[str, Any]) -> Audience:
    stats = item.get("stats") or {}
    return Audience(
        id=str(item["id"]),
        name=str(item.get("name", "")),
        contacts=int(stats.get("total_contacts") or stats.get("member_count") or 0),
        subscribed=int(stats.get("member_count") or 0),
        double_optin=bool(item.get("double_optin")),
    )


def _merge_field(item: dict[str, Any]) -> MergeField:
    return MergeField(
        tag=str(item.get("tag", "")),
        name=str(item.get("name", "")),
        type=str(item.get("type", "text")),
        required=bool(item.get("required")),
    )
