"""Regular jobs that the merchant asks for now: the look at the webhooks."""

from __future__ import annotations

from shopchimp.db import chores
from shopchimp.db.session import Database
from shopchimp.services.going_live import HOOKS
from shopchimp.services.sync_runs import StartRefused


def check_webhooks(database: Database, shop_id: int) -> None:
    """Have the webhooks of both platforms looked at soon. Refused where there is no live sync."""
    with database.transaction() as tx:
        if not chores.hurry(tx, shop_id, HOOKS):
            raise StartRefused("not_live", "Webhooks are registered when the first sync begins.")
