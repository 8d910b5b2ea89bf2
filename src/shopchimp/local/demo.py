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

console = Console(stderr=True)
REAL_DATA = Path("..") / "shared" / "data"  # beside a developer's checkout; a clone elsewhere has none
INVENTED = 23_570  # as many as the real purchase log has customers


class DemoFailed(Exception):
    """The demo could not do its job; the text says at which step."""


def run_demo(*, once: bool, as_json: bool, people: int, data: Path | None, folder: Path | None, port: int) -> None:
    """Run the whole job. Without `once` everything stays up until Ctrl-C."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    source = _source(people, data)
    with _folder(folder) as home:
        console.print(
            f"[bold]shopchimp demo[/bold]: starting Postgres, Redis, the sandbox ({source[1]}), web and worker"
        )
        try:
            with House(Plan(home, port=port, sandbox=source[0])) as house:
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
    if not _closes(result["people"]):
        raise DemoFailed("The sums don't close: read is not synced + skipped + failed.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _source(people: int, data: Path | None) -> tuple[list[str], str]:
    """The sandbox's arguments for its people, and in words where they come from."""
    if data is None and not people and (REAL_DATA / "cdnow" / "purchases.csv.gz").exists():
        data = REAL_DATA
    if data is not None:
        if not (data / "cdnow" / "purchases.csv.gz").exists():
            raise DemoFailed(f"{data} has no cdnow/purchases.csv.gz")
        arguments = ["--data", str(data.resolve())] + (["--people", str(people)] if people else [])
        return arguments, "the customers of a real purchase log; names, addresses and consent are invented"
    count = people or INVENTED
    return ["--people", str(count)], f"{count:,} invented people"


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
    people = {name: run["people"][name] for name in ("read", "synced", "skipped", "failed")}
    result = run["counts"]["result"]
    return {
        "people": people,
        "contacts_without_customer": result["contacts_without_customer"],
        "seconds": run["timings"],
        "calls": run["calls"],
        "preview": {name: preview[name] for name in ("by_kind", "conflicts", "contact_writes", "consent_writes")},
        "sync_run": run["id"],
        "page": f"{house.app_url}/activity",
    }


@contextmanager
def _bar(title: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None, words="")

        def show(run: dict[str, Any]) -> None:
            total = run.get("total") or None
            left = run.get("time_left")
            words = f"{run.get('done', 0):,} of {total:,}" if total else run["state"]
            if left is not None:
                words += f", about {max(int(left), 1)} s left"
            progress.update(task, completed=run.get("done", 0), total=total, words=words)

        yield show


def _tell_preview(preview: dict[str, Any]) -> None:
    console.print(
        f"Preview: {preview['people']:,} customers and {preview['contacts_read']:,} contacts read;"
        f" {preview['contact_writes']:,} contacts and {preview['consent_writes']:,} customers' consent to be written,"
        f" {preview['conflicts']:,} conflicts (D1: Mailchimp wins)"
    )


def _tell(house: House, result: dict[str, Any]) -> None:
    people = result["people"]
    skipped, failed = sum(people["skipped"].values()), sum(people["failed"].values())
    console.print(
        f"[green]Done[/green] in {result['seconds']['all']} s: {people['read']:,} customers read = {people['synced']:,}"
        f" synced + {skipped:,} skipped + {failed:,} failed"
    )
    for kind in ("skipped", "failed"):
        for reason, count in sorted(people[kind].items()):
            console.print(f"  {kind}: {count:,} {reason}", highlight=False)
    console.print(f"Look at it: {house.app_url}/  and find a person's history at {house.app_url}/activity")
    console.print(f"The sandbox: {house.shopify_url}/ (Shopify)  {house.mailchimp_url}/ (Mailchimp)")


def _closes(people: dict[str, Any]) -> bool:
    missed = sum(people["skipped"].values()) + sum(people["failed"].values())
    return bool(people["read"] == people["synced"] + missed)


def _stay(house: House) -> None:
    console.print("Everything stays up until you press Ctrl-C.")
    while True:
        time.sleep(1)
        house.processes.check()
