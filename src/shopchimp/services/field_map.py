"""The field map as the settings page shows it: a row a merge field, with a customer's value and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopchimp.db import connections
from shopchimp.domain.fields import FieldMap, Source, merge_fields
from shopchimp.mailchimp import audiences
from shopchimp.mailchimp.audiences import MergeField
from shopchimp.services import settings
from shopchimp.services.connection import ConnectRefused
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import customers
from shopchimp.shopify.customers import Customer


@dataclass(frozen=True, slots=True)
class Row:
    """One merge field. `source` None: nothing is sent; `missing`: the audience hasn't it yet, the next sync adds it.

    `sample` is what would be sent for a customer who changed lately; `problem` a sentence for the row.
    """

    tag: str
    name: str
    type: str
    source: Source | None
    sample: str = ""
    problem: str | None = None
    two_way: bool = False
    missing: bool = False

    @property
    def may_be_two_way(self) -> bool:
        """Whether a change in Mailchimp could go to the customer."""
        return self.source is not None and self.source.comes_back


def rows(gateways: Gateways, shop_id: int) -> list[Row]:
    """The merge fields of the audience and those that the map adds to it, in that order (S75). Asks both platforms."""
    with gateways.database.transaction() as tx:
        field_map = settings.get(tx, shop_id).field_map
        connection = connections.get(tx, shop_id)
    if connection is None or connection.audience_id is None:
        raise ConnectRefused("no_audience", "Choose an audience first.")
    there = audiences.merge_fields(gateways.mailchimp(shop_id), connection.audience_id)
    return of(there, field_map, customers.sample(gateways.shopify(shop_id)))


def of(there: Mapping[str, MergeField], field_map: FieldMap, people: list[Customer]) -> list[Row]:
    """The same from what both platforms said. The sample is the customer with the most to show."""
    samples = max((merge_fields(each.fields, field_map) for each in people), key=len, default={})
    sources = dict(field_map.fields)
    misfits = dict(zip(_misfitting(there, field_map), field_map.misfits(_kinds(there)), strict=True))
    found = []
    for tag, merge_field in there.items():
        sample = samples.get(tag, "")
        found.append(
            Row(
                tag=tag,
                name=merge_field.name,
                type=merge_field.type,
                source=sources.get(tag),
                sample=shown(sample),
                problem=misfits.get(tag) or _unfit(merge_field, sample),
                two_way=tag in field_map.two_way,
            )
        )
    for spec in field_map.missing(_kinds(there)):
        sample = shown(samples.get(spec.tag, ""))
        two_way = spec.tag in field_map.two_way
        found.append(Row(spec.tag, spec.name, spec.kind, sources[spec.tag], sample, None, two_way, missing=True))
    return found


def shown(value: Any) -> str:
    """A value on one line; an address by its parts."""
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if part)
    return str(value)


def _kinds(there: Mapping[str, MergeField]) -> dict[str, str]:
    return {tag: merge_field.type for tag, merge_field in there.items()}


def _misfitting(there: Mapping[str, MergeField], field_map: FieldMap) -> list[str]:
    return [tag for tag, source in field_map.fields if tag in there and there[tag].type not in source.kinds]


_US_ZIP = re.compile(r"\d{5}(-\d{4})?")


def _unfit(merge_field: MergeField, sample: Any) -> str | None:
    """A value that the type will refuse: Mailchimp's zip is a postal code of the United States."""
    if merge_field.type == "zip" and sample and not _US_ZIP.fullmatch(str(sample)):
        return f'{merge_field.tag} takes postal codes of the United States only; "{sample}" would be refused'
    return None
