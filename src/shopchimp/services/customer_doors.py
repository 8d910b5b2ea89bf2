"""The steps that are done in Shopify, for many people at once: read 250 a query, consents written 40 a document."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shopchimp.domain.addresses import normalise
from shopchimp.domain.consent import CustomerConsent, OptInLevel
from shopchimp.domain.errors import PlatformError, Rejected, Unavailable
from shopchimp.domain.planning import customer_state
from shopchimp.domain.records import Customer
from shopchimp.domain.steps import CreateCustomer, Done, Refused, UpdateCustomer, WriteConsent, WriteSms
from shopchimp.services import batches
from shopchimp.shopify import customers
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import ConsentWrite

PATIENCE = 3.0  # seconds: the time of a choice lies at most this far ahead, one step past what Shopify has stored


@dataclass(frozen=True, slots=True)
class CustomerDoors:
    """One slice's way to the shop's customers."""

    client: ShopifyClient

    def read(self, customer_ids: Sequence[int]) -> dict[int, Customer | None]:
        """Each customer as they are now, None where there is none any more."""
        ids = list(dict.fromkeys(customer_ids))
        found = customers.by_ids(self.client, ids) if ids else []
        return dict(zip(ids, map(_parsed, found), strict=True))

    def read_by_email(self, emails: Sequence[str]) -> dict[str, Customer | None]:
        """Who has these addresses now."""
        wanted = list(dict.fromkeys(emails))
        found = customers.by_emails(self.client, wanted) if wanted else []
        return dict(zip(wanted, map(_parsed, found), strict=True))

    def write(self, writes: Sequence[WriteConsent]) -> list[Any]:
        """Set consents, each with its own time."""
        sent = [
            ConsentWrite(
                each.customer_id,
                each.push.customer_state.value if each.push.customer_state else "",
                (each.push.opt_in_level or OptInLevel.SINGLE).value,
                each.push.consent_at or datetime.now(UTC),
            )
            for each in writes
        ]
        _wait_for(each.updated_at for each in sent)
        return [_answer(error) for error in batches.write_consents(self.client, sent)]

    def update(self, writes: Sequence[UpdateCustomer]) -> list[Any]:
        """Set customers' fields, a document full of them at a time, each looked at once more right before."""
        answers: list[Any] = []
        for start in range(0, len(writes), customers.ALIASES):
            try:
                answers += self._update(writes[start : start + customers.ALIASES])
            except PlatformError as error:  # of those done before, what came of them is known
                return answers + [error] * (len(writes) - len(answers))
        return answers

    def _update(self, writes: Sequence[UpdateCustomer]) -> list[Any]:
        now = self.read([each.customer_id for each in writes])
        answers: list[Any] = [Refused("sh_moved", "")] * len(writes)
        same = [n for n, each in enumerate(writes) if not _moved(now[each.customer_id], each)]
        sent = [(writes[n].customer_id, writes[n].fields) for n in same]
        for n, refusal in zip(same, batches.update_customers(self.client, sent) if sent else (), strict=True):
            answers[n] = Refused(refusal.code, refusal.message) if refusal is not None else Done()
        return answers

    def text(self, writes: Sequence[WriteSms]) -> list[Any]:
        """Set customers' consent to text messages (D8)."""

        def one(each: WriteSms) -> Any:
            assert each.customer is not None  # noqa: S101 - tells the type checker
            return customers.set_sms_consent(
                self.client, each.customer.id, subscribe=each.push.subscribe, level=each.push.level, at=each.push.at
            )

        _wait_for(each.push.at for each in writes if each.push.at is not None)
        return [self._one(lambda each=each: one(each)) for each in writes]

    def create(self, writes: Sequence[CreateCustomer]) -> list[Any]:
        """Make customers. The address is looked up first: after an unclear answer the next look finds who was made."""
        return [self._one(lambda each=each: self._create(each)) for each in writes]

    def _create(self, wanted: CreateCustomer) -> int | customers.UserError:
        if self.read_by_email([wanted.email])[wanted.email] is not None:
            return customers.UserError("sh_taken", "")
        state, level = wanted.push.customer_state, wanted.push.opt_in_level
        return customers.create(
            self.client,
            email=wanted.email,
            fields=wanted.fields,
            state=state.value if state else "",
            level=level.value if level else "",
            consent_at=wanted.push.consent_at,
        )

    def _one(self, do: Any) -> Any:
        try:
            answer = do()
        except Rejected as error:
            return Refused(error.code, error.detail)
        except PlatformError as error:
            return error
        if isinstance(answer, customers.UserError):
            return _answer(answer)
        return Done(customer_id=answer if isinstance(answer, int) else None)


def _answer(error: customers.UserError | None) -> Done | Refused | Unavailable:
    """What came of a write. That its time has not come yet by Shopify's clock is no refusal: it is made again."""
    if error is None:
        return Done()
    if error.code == "sh_too_early":
        return Unavailable("shopify", error.code, error.message)
    return Refused(error.code, error.message)


def _wait_for(moments: Iterable[datetime]) -> None:
    """Until the last of these times has come, as Shopify takes none of the future.

    Somebody who opts in here and out there within a second: the opt-out's time is the second after (F2).
    """
    ahead = (max(moments, default=_LONG_AGO) - datetime.now(UTC)).total_seconds()
    if 0 < ahead <= PATIENCE:
        time.sleep(ahead)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _moved(found: Customer | None, wanted: UpdateCustomer) -> bool:
    """Whether somebody else set one of these fields since that was decided. Who is gone is told by the write."""
    return found is not None and any(found.fields.get(name) != said for name, said in wanted.seen.items())


def _parsed(found: customers.Customer | None) -> Customer | None:
    if found is None:
        return None
    consent = CustomerConsent(customer_state(found.consent.state), found.consent.updated_at, found.consent.opt_in_level)
    key = normalise(found.consent.email) if found.consent.email else f"customer:{found.id}"
    return Customer(found.id, key, found.consent.email, consent, found.fields, found.tags, found.sms)
