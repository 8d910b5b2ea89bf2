"""A worker process that only reads campaigns and writes what came of them: to be killed.

`python activity_worker.py database shopify mailchimp`
"""

from __future__ import annotations

import sys
import threading

from shopchimp.db import marking
from shopchimp.jobs import chores, lanes
from shopchimp.services.customer_events import campaigns, engagement
from stage import Sandbox, open_runtime


def main(database_url: str, shopify: str, mailchimp: str) -> None:
    runtime = open_runtime(database_url, Sandbox(shopify, mailchimp), lease=2.0)
    stop = threading.Event()

    def read() -> None:
        while True:
            if not chores.drain(runtime, {campaigns.CHORE: campaigns.poll}, stop=stop):
                stop.wait(0.05)

    threading.Thread(target=read, daemon=True).start()
    print("ready", flush=True)
    while True:
        if not lanes.drain(runtime, stop=stop, works={marking.ACTIVITY: engagement.work}):
            stop.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
