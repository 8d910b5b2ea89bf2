"""The merchant of the demo and the tests: does by HTTP what a person does by clicking, with real session tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx


class MerchantFailed(Exception):
    """A step the merchant took was refused; the text is the product's own answer."""


class MerchantAsked(MerchantFailed):
    """The product could not answer now; asking again may help."""


class Merchant:
    """Opens the app in the shop's admin (so that it is installed), connects Mailchimp, previews, starts, watches."""

    def __init__(self, *, app_url: str, sandbox_url: str, shop: str) -> None:
        self._app = httpx.Client(base_url=f"{app_url}/api/v1", timeout=60, trust_env=False)
        self._browser = httpx.Client(timeout=60, follow_redirects=True, trust_env=False)
        self._sandbox_url = sandbox_url
        self._shop = shop

    def close(self) -> None:
        """Leave."""
        self._app.close()
        self._browser.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API with a fresh session token, as App Bridge would add it."""
        token = self._browser.get(f"{self._sandbox_url}/_sandbox/session-token", params={"shop": self._shop})
        headers = {"Authorization": f"Bearer {token.json()['id_token']}"}
        answer = self._app.request(method, path, json=body, headers=headers)
        if answer.status_code >= 500:
            raise MerchantAsked(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        if answer.is_error:
            raise MerchantFailed(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def connect(self) -> str:
        """Install the app, log in to Mailchimp and authorise access. Gives back the account's name."""
        self.call("GET", "/status")  # opening the app installs it (token exchange)
        url = self.call("POST", "/mailchimp/connect")["authorize_url"]
        answer = self._browser.get(url, headers={"Accept": "text/html"})
        status = self.call("GET", "/status")
        if status["mailchimp"] is None:
            raise MerchantFailed(f"Mailchimp wasn't connected: {answer.status_code} at {answer.url.path}")
        return str(status["mailchimp"]["account_name"])

    def choose_audience(self, name: str = "Newsletter") -> str:
        """Choose the audience of this name."""
        offered = self.call("GET", "/audiences")["audiences"]
        chosen = next(audience for audience in offered if audience["name"] == name)
        self.call("PUT", "/audience", {"audience_id": chosen["id"]})
        return str(chosen["id"])

    def preview(self, *, watch: Callable[[Any], None] = lambda _: None, timeout: float = 3600) -> Any:
        """Make a preview and wait until it is ready."""
        made = self.call("POST", "/previews")
        return self._until("/previews/", made["id"], {"ready"}, watch, timeout)

    def start(self, preview_id: str, *, policy: str | None = "mailchimp_wins") -> Any:
        """Press Start."""
        body = {"preview_id": preview_id, "policy": policy, "confirm_consent_changes": True}
        return self.call("POST", "/sync-runs", body)

    def follow(self, run_id: str, *, watch: Callable[[Any], None] = lambda _: None, timeout: float = 3600) -> Any:
        """Watch the sync to its end."""
        return self._until("/sync-runs/", run_id, {"done"}, watch, timeout)

    def _until(self, path: str, run_id: str, wanted: set[str], watch: Callable[[Any], None], timeout: float) -> Any:
        deadline, pause = time.monotonic() + timeout, 0.1
        while time.monotonic() < deadline:
            try:
                run = self.call("GET", f"{path}{run_id}")
            except (httpx.HTTPError, MerchantAsked):
                time.sleep(pause)  # the web process or Postgres is being restarted
                continue
            watch(run)
            if run["state"] in wanted:
                return run
            if run["state"] in {"failed", "needs_you", "cancelled", "expired"}:
                raise MerchantFailed(f"the run is {run['state']}: {run.get('trouble')}")
            time.sleep(pause)
            pause = min(pause * 1.2, 1.0)
        raise MerchantFailed(f"the run wasn't {' or '.join(wanted)} after {timeout:.0f} s")
