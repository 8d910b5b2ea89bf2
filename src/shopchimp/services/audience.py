"""What the connected audience says of itself, looked at every hour and whenever the field map changes."""

from __future__ import annotations

import structlog

from shopchimp.db import connections
from shopchimp.db.chores import Chore
from shopchimp.domain.errors import Rejected
from shopchimp.domain.fields import FieldMap
from shopchimp.mailchimp import audiences
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import settings
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()

HOUR = 3600.0


def describe(gateways: Gateways, shop_id: int, _chore: Chore | None = None) -> float:
    """Note name, size, double opt-in and which mapped fields fit; add the fields that are missing.

    Gives back the seconds until the next look. Raises Gone where the audience was deleted.
    """
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        field_map = settings.get(tx, shop_id).field_map
    if connection is None or connection.audience_id is None:
        return HOUR
    client = gateways.mailchimp(shop_id)
    audience = audiences.one(client, connection.audience_id)
    kinds, _ = add_missing(client, connection.audience_id, field_map)
    with gateways.database.transaction() as tx:
        connections.describe_audience(
            tx,
            shop_id,
            name=audience.name,
            double_optin=audience.double_optin,
            contacts=audience.contacts,
            fitting=field_map.fitting(kinds),
        )
    return HOUR


def add_missing(client: MailchimpClient, audience_id: str, field_map: FieldMap) -> tuple[dict[str, str], list[str]]:
    """Add the mapped merge fields that the audience lacks. Look first, so that a second try adds none twice.

    Gives back the types of the fields it has then, by tag, and the tags it refused: it may have no room for them, and
    then their values are lost, the people aren't.
    """
    kinds = {tag: field.type for tag, field in audiences.merge_fields(client, audience_id).items()}
    refused = []
    for spec in field_map.missing(kinds):
        try:
            made = audiences.add_merge_field(client, audience_id, tag=spec.tag, name=spec.name, kind=spec.kind)
        except Rejected as error:
            log.warning("merge_field_refused", code=error.code)
            refused.append(spec.tag)
        else:
            kinds[spec.tag] = made.type
    return kinds, refused
