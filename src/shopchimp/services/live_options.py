"""A shop's settings as one look at a person takes them."""

from __future__ import annotations

from sqlalchemy import Connection

from shopchimp.db import shops
from shopchimp.db.connections import ConnectionRow
from shopchimp.domain.consent import Policy
from shopchimp.domain.fields import FieldMap
from shopchimp.domain.profile import ProfileOptions
from shopchimp.domain.sms import Gate
from shopchimp.domain.steps import LiveOptions
from shopchimp.services import settings
from shopchimp.services.settings import ShopSettings


def load(tx: Connection, shop_id: int, connection: ConnectionRow) -> tuple[LiveOptions, ShopSettings]:
    """The options that hold for this shop now, and the settings they come from."""
    shop = shops.get(tx, shop_id)
    chosen = settings.parse(shop.settings if shop else {})
    start = chosen.sms.start(shop.timezone if shop else "UTC")
    options = LiveOptions(
        policy=Policy(chosen.conflict_policy or Policy.MAILCHIMP_WINS),
        sync_non_subscribed=chosen.sync_non_subscribed,
        double_optin=connection.double_optin,
        create_customers=chosen.create_customers,
        create_since=chosen.create_customers_since,
        cleaned_to_customer=chosen.cleaned_to_customer,
        # whether the programme is approved was asked when SMS was activated; a later refusal is Mailchimp's own
        sms=Gate(connection.live_since is not None, approved=True, start_date=start, two_way=chosen.sms.two_way),
        profile=ProfileOptions(_usable(chosen.field_map, connection.fitting), chosen.tag_rules),
    )
    return options, chosen


def _usable(field_map: FieldMap, fitting: list[str] | None) -> FieldMap:
    """Without the merge fields that the audience lacks, or has with a type that refuses the value."""
    if fitting is None:
        return field_map
    return field_map.without({tag for tag, _ in field_map.fields} - set(fitting))
