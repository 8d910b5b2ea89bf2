"""An audit reads the contacts' tags: one that was there before us is no difference (S102)."""

from __future__ import annotations

import threading

from sweep_ground import do

from shopchimp.db.audits import Audit
from shopchimp.services import audit
from stage import Stage, stage


def compared(played: Stage) -> Audit:
    audit.start(played.database, played.shop_id)
    for _ in range(200):
        with played.database.transaction() as tx:
            found = audit.latest(tx, played.shop_id)
        assert found is not None
        if found.state in {"repairing", "done"}:
            return found
        threading.Event().wait(min(do(played, audit.step, "audit"), 0.3))
    raise AssertionError(found)


def test_the_merchants_own_tag_that_the_customer_has_too(database_url: str) -> None:
    with stage(database_url, "--people", "60", "--seed", "5") as played:
        played.first_sync()
        query = (
            "select key from people where contact_status = 'subscribed' and customer_state = 'SUBSCRIBED' order by id"
        )
        key = played.rows(query)[0]["key"]
        played.sandbox.edit("mailchimp", key, set={"tags": ["gold"]})
        played.sandbox.edit("shopify", key, set={"tags_add": ["gold"]})
        played.mark(key)
        played.live()
        assert "gold" in played.sandbox.state("mailchimp")[key]["tags"]
        assert "gold" not in played.person(key)["tags"]  # theirs, not ours
        found = compared(played)
        assert key not in {row["key"] for row in played.rows("select key from audit_rows where kind = 'unexplained'")}
        assert found.counts["pairs"] >= 60
