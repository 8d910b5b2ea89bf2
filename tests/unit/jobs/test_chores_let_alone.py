from __future__ import annotations

from shopchimp.domain.errors import Unauthorized
from shopchimp.jobs import verdicts


def test_chores_do_not_hammer_a_frozen_shop() -> None:
    """Its connection stays and its chores stay claimable: only the wait keeps them from asking every other second."""
    assert verdicts.wait_for_merchant(Unauthorized("shopify", "sh_shop_frozen")) >= verdicts.LET_ALONE
    assert verdicts.wait_for_merchant(Unauthorized("shopify", "sh_access_revoked")) < 60
    assert verdicts.wait_for_merchant(Unauthorized("mailchimp", "mc_access_revoked")) < 60
