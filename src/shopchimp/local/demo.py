"""`shopchimp demo`: start the house, be the merchant of a first sync, say what came of it and where to look."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant, MerchantFailed
from shopchimp.local.processes import default_data_dir
from shopchimp.local.stock import NoData, stock

console = Console(stderr=True)
PEOPLE = "people"
WORDS = {PEOPLE: "customers as contacts", "customers": "customers of the store", "promo_codes": "promo codes"}
COMMERCE = {  # in the result: in the run's books
    "products": "product",
    "customers": "customer",
    "orders": "order",
    "carts": "cart",
    "promo_codes": "promo_code",
}


class DemoFailed(Exception):
    """The demo could not do its job; the text says at which step."""


def run_demo(*, once: bool, as_json: bool, people: int, data: Path | None, folder: Path | None, port: int) -> None:
    """Run the whole job. Without `once` everything stays up until Ctrl-C."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        store = stock(people, data)
    except NoData as error:
        raise DemoFailed(str(error)) from error
    with _folder(folder) as home:
        console.print(
            f"[bold]shopchimp demo[/bold]: starting Postgres, Redis, the sandbox ({store.words}), web and worker"
        )
        try:
            with House(Plan(home, port=port, sandbox=store.arguments)) as house:
                up = time.monotonic() - began
                result = _first_sync(house)
                result["seconds"] = {
                    "start": round(up, 1),
                    **result["seconds"],
                    "all": round(time.monotonic() - began, 1),
                }
                _tell(house, result)
                if not once:
                    _stay(house)
        except (MerchantFailed, RuntimeError, OSError) as error:
            raise DemoFailed(f"The demo stopped: {error}\nThe logs are in {home / 'logs'}") from error
        except KeyboardInterrupt:
            console.print("Stopped.")
            return
    if as_json:
        print(json.dumps(result))
    if wrong := [kind for kind in (PEOPLE, *COMMERCE) if not _closes(result[kind])]:
        raise DemoFailed(f"The sums of {', '.join(wrong)} don't close: read is not synced + skipped + failed.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """Where this demo keeps its servers' data: a folder of its own that goes with it, unless one was named."""
    if chosen is not None:
        yield chosen.resolve()
        return
    parent = default_data_dir() / "demo"
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    home = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what killed demos left behind."""
    for left in parent.iterdir():
        pid = left.name.split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and sys.platform == "linux":
            shutil.rmtree(left, ignore_errors=True)


def _first_sync(house: House) -> dict[str, Any]:
    merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)
    try:
        account = merchant.connect()
        audience = merchant.choose_audience()
        console.print(f"Installed in {SHOP}, connected to {account}, audience {audience}")
        with _bar("Preview") as show:
            preview = merchant.preview(watch=show)
        _tell_preview(preview)
        merchant.start(preview["id"])
        with _bar("First sync") as show:
            run = merchant.follow(preview["id"], watch=show)
    finally:
        merchant.close()
    result = run["counts"]["result"]
    return {
        PEOPLE: _sums(run["people"]),
        **{name: _sums(run["counts"]["commerce"][kind]) for name, kind in COMMERCE.items()},
        "contacts_without_customer": result["contacts_without_customer"],
        "seconds": run["timings"],
        "calls": run["calls"],
        "preview": {name: preview[name] for name in ("by_kind", "conflicts", "contact_writes", "consent_writes")},
        "sync_run": run["id"],
        "page": f"{house.app_url}/activity",
    }


def _sums(counted: dict[str, Any]) -> dict[str, Any]:
    return {name: counted[name] for name in ("read", "synced", "skipped", "failed")}


@contextmanager
def _bar(title: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None, words="")

        def show(run: dict[str, Any]) -> None:
            phase = next((each for each in run.get("phases", ()) if each["state"] == "active"), None)
            done, total = (phase["done"], phase["total"]) if phase else (run.get("done"), run.get("total"))
            words = f"{done or 0:,} of {total:,}" if total else run["state"]
            left = run.get("time_left")
            if left is not None:
                words += f", about {max(int(left), 1)} s left"
            name = f"{title}: {phase['title']}" if phase else title
            progress.update(task, description=name, completed=done or 0, total=total or None, words=words)

        yield show


def _tell_preview(preview: dict[str, Any]) -> None:
    console.print(
        f"Preview: {preview['people']:,} customers and {preview['contacts_read']:,} contacts read;"
        f" {preview['contact_writes']:,} contacts and {preview['consent_writes']:,} customers' consent to be written,"
        f" {preview['conflicts']:,} conflicts (D1: Mailchimp wins)"
    )


def _tell(house: House, result: dict[str, Any]) -> None:
    console.print(f"[green]Done[/green] in {result['seconds']['all']} s")
    for kind in (PEOPLE, *COMMERCE):
        sums = result[kind]
        skipped, failed = sum(sums["skipped"].values()), sum(sums["failed"].values())
        console.print(
            f"  {sums['read']:,} {WORDS.get(kind, kind)} read = {sums['synced']:,} synced + {skipped:,} skipped"
            f" + {failed:,} failed",
            highlight=False,
        )
        for verdict in ("skipped", "failed"):
            for reason, count in sorted(sums[verdict].items()):
                console.print(f"    {verdict}: {count:,} {reason}", highlight=False)
    console.print(f"Look at it: {house.app_url}/  and find a person's history at {house.app_url}/activity")
    console.print(f"The sandbox: {house.shopify_url}/ (Shopify)  {house.mailchimp_url}/ (Mailchimp)")
    console.print(
        f"Visit the store as a customer: {house.shopify_url}/{SHOP}/  and see it at {house.app_url}/customer-events"
    )
    console.print(f"Send a campaign, open and click it as somebody: {house.mailchimp_url}/campaigns")


def _closes(sums: dict[str, Any]) -> bool:
    missed = sum(sums["skipped"].values()) + sum(sums["failed"].values())
    return bool(sums["read"] == sums["synced"] + missed)


def _stay(house: House) -> None:
    console.print("Everything stays up until you press Ctrl-C.")
    while True:
        time.sleep(1)
        house.processes.check()
