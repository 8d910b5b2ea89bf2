"""A worker process that does nothing but the promo job: to be killed. `python promo_worker.py database shopify mailchimp`"""

from __future__ import annotations

import sys
import threading

from shopchimp.jobs import chores
from shopchimp.services.commerce import promo
from stage import Sandbox, open_runtime


def main(database_url: str, shopify: str, mailchimp: str) -> None:
    runtime = open_runtime(database_url, Sandbox(shopify, mailchimp), lease=2.0)
    stop = threading.Event()
    print("ready", flush=True)
    while True:
        if not chores.drain(runtime, {promo.CHORE: promo.chore}, stop=stop):
            stop.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
