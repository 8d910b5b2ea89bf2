"""What intake holds as long as the process: its pools, the hooks it met lately, and the wake-up it owes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from shopchimp.db.crypto import Vault, VaultError
from shopchimp.db.hooks import secret_context
from shopchimp.db.intake import HookRow, IntakePool
from shopchimp.db.intake_events import Came, Incoming, store
from shopchimp.runtime import Runtime
from shopchimp.web.pixel_inbox import Inbox, Tell

log = structlog.get_logger()

HOOK_SECONDS = 15.0  # how long a hook is taken as it was read; a new one is found at once
GAP = 0.05  # between two wake-ups of one process


class Nudge:
    """Wakes a worker soon, at most once per `GAP`, in a thread. The last delivery always gets a wake-up after it."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._wanted = False
        self._running: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Something was stored."""
        self._wanted = True
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await asyncio.to_thread(self._wake)
            except Exception as error:  # noqa: BLE001 - a wake-up is never worth an error: the sweep makes up for it
                log.warning("wake_up_lost", error=type(error).__name__)
            await asyncio.sleep(GAP)


@dataclass(frozen=True, slots=True)
class Hook:
    """A Mailchimp hook with its signing secret opened. `broken`: the secret can't be opened, so nothing is genuine."""

    row: HookRow
    signing_secret: str | None
    broken: bool = False


class Intake:
    """Everything the webhook routes and the pixel's need beside the request. The pixel has a connection of its own."""

    def __init__(self, runtime: Runtime, wake: Callable[[], None], tell: Tell) -> None:
        url = runtime.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.pool = IntakePool(url)
        self.events = IntakePool(url, size=1, application="shopchimp-pixel")
        self.inbox = Inbox(self._store_events, tell)
        self.vault: Vault = runtime.gateways.vault
        self.secrets = runtime.shopify_app.secrets
        self.clock = runtime.gateways.clock
        self.nudge = Nudge(wake)
        self._hooks: dict[bytes, tuple[float, Hook]] = {}

    async def hook(self, secret: str, *, fresh: bool = False) -> Hook | None:
        """The Mailchimp hook with this path secret; read from Postgres unless that was done a moment ago."""
        digest = hashlib.sha256(secret.encode(errors="replace")).digest()
        kept = self._hooks.get(digest)
        if kept is not None and not fresh and kept[0] > time.monotonic():
            return kept[1]
        row = await self.pool.hook(digest)
        if row is None:
            self._hooks.pop(digest, None)
            return None
        hook = self._opened(row)
        self._hooks[digest] = (time.monotonic() + HOOK_SECONDS, hook)
        return hook

    def graves(self, customers: Iterable[int], key: str | None) -> list[bytes]:
        """The tombstones to look for: of these customers and this address."""
        names = [*(f"customer:{who}" for who in customers), *([key] if key is not None else ())]
        return [grave for name in names for grave in self.vault.fingerprints(name)]

    async def _store_events(self, events: Sequence[Incoming]) -> Came:
        came = await store(self.events, events)
        if came.new:
            self.nudge()
        return came

    def _opened(self, row: HookRow) -> Hook:
        if row.signing_secret is None:
            return Hook(row, None)
        try:
            secret = self.vault.open(row.signing_secret, context=secret_context(row.shop_id, row.id))
        except VaultError:
            log.error("hook_secret_unreadable")  # noqa: TRY400 - where it happened is known
            return Hook(row, None, broken=True)
        return Hook(row, secret.decode())


@asynccontextmanager
async def opened(runtime: Runtime, wake: Callable[[], None], tell: Tell) -> AsyncIterator[Intake]:
    """Intake for as long as the process serves requests. `tell`: what comes of the pixel's events."""
    intake = Intake(runtime, wake, tell)
    await intake.pool.open()
    await intake.events.open()
    try:
        yield intake
    finally:
        await intake.inbox.close()
        await intake.events.close()
        await intake.pool.close()
