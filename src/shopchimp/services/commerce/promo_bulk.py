"""The codes of a discount that has more than paging reaches: a bulk operation reads them, a stream brings them.

The place in the run is the number of lines taken. Whoever goes on streams the result anew and passes over those.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

from shopchimp.domain.errors import PlatformError, Unavailable
from shopchimp.services.commerce import promo_codes
from shopchimp.services.commerce.promo_work import PromoWork
from shopchimp.shopify import bulk
from shopchimp.shopify.commerce_documents import codes_in_bulk

PAUSE = 1.0  # seconds between two looks
AT_ONCE = 250


def step(work: PromoWork, entry: dict[str, Any]) -> PlatformError | None:
    """Begin the reading, look how it stands, or take its codes until the time is up. Gives back what hinders."""
    place = entry["bulk"]
    if "id" not in place:
        _keep(work, entry, {"id": bulk.start(work.shopify, codes_in_bulk(entry["id"])), "lines": 0})
        return None
    operation = bulk.look(work.shopify, place["id"])
    if operation is not None and operation.is_running:
        time.sleep(PAUSE)
        return None
    if operation is None or operation.status != "COMPLETED":
        _keep(work, entry, {})
        return Unavailable("shopify", "sh_bulk_failed", bulk.why_not(operation))
    if operation.url is None:
        return promo_codes.finish(work, entry)
    return _take(work, entry, operation.url, operation.objects)


def _take(work: PromoWork, entry: dict[str, Any], url: str, objects: int) -> PlatformError | None:
    place = entry["bulk"]
    lines = islice(bulk.lines(work.shopify, url, allowed_hosts=work.hosts), place["lines"], None)
    while not work.over():
        block = list(islice(lines, AT_ONCE))
        if not block:
            break
        codes = [(entry["id"], line) for line in block if "code" in line]
        if hindrance := promo_codes.take(work, codes):
            return hindrance
        _keep(work, entry, {**place, "lines": place["lines"] + len(block)})
        place = entry["bulk"]
    else:
        return None
    if place["lines"] < objects:  # a stream that ends early looks whole
        _keep(work, entry, {})
        return Unavailable("shopify", "sh_bulk_failed", "the result has fewer lines than objects")
    return promo_codes.finish(work, entry)


def _keep(work: PromoWork, entry: dict[str, Any], place: dict[str, Any]) -> None:
    entry["bulk"] = place
    with work.database.transaction() as tx:
        work.save(tx)
