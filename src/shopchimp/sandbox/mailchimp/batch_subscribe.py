"""`POST /lists/{list_id}`: up to 500 members in one call, 200 even when members fail (mailchimp.md section 5)."""

from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.announcing import glimpse
from shopchimp.sandbox.mailchimp.audience import Audience, Member, digest_of
from shopchimp.sandbox.mailchimp.members import NEW
from shopchimp.sandbox.mailchimp.render import in_batch
from shopchimp.sandbox.mailchimp.wire import Call, Problem, json_kind, schema_problem
from shopchimp.sandbox.mailchimp.writing import WRITABLE, check_compliance, check_schema, create, update

MOST: Final = 500


class RowRefusedError(Exception):
    """One row of the batch and the two codes the contract knows."""

    def __init__(self, error: str, code: str = "ERROR_GENERIC", field: str = "", field_message: str = "") -> None:
        super().__init__(error)
        self.error, self.code, self.field, self.field_message = error, code, field, field_message


def batch_subscribe(account: Account, call: Call) -> Mapping[str, Any]:
    audience, body = account.audience(call.path["list_id"]), call.json()
    rows = _rows(body)
    for number, row in enumerate(rows):
        check_schema(row, WRITABLE, f"members.item:{number}.")
    batch = _Batch(account, audience, call, body)
    for row in rows:
        batch.take(row)
    return {
        "new_members": in_batch(audience, batch.created),
        "updated_members": in_batch(audience, batch.updated),
        "errors": batch.errors,
        "total_created": len(batch.created),
        "total_updated": len(batch.updated),
        "error_count": len(batch.errors),
        "_links": [],
    }


def _rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = body.get("members")
    if not isinstance(rows, list):
        raise schema_problem([("members", f"Schema describes array, {json_kind(rows)} found instead")])
    if len(rows) > MOST:
        raise schema_problem([("members", f"This collection should contain {MOST} elements or less.")])
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            message = f"Schema describes object, {json_kind(row)} found instead"
            raise schema_problem([(f"members.item:{number}", message)])
    return rows


class _Batch:
    def __init__(self, account: Account, audience: Audience, call: Call, body: Mapping[str, Any]) -> None:
        self.account, self.audience = account, audience
        self.skip_required = call.flag("skip_merge_validation")
        self.skip_duplicates = call.flag("skip_duplicate_check")
        self.update_existing = bool(body.get("update_existing"))
        self.sync_tags = self.update_existing and bool(body.get("sync_tags"))
        self.created: list[Member] = []
        self.updated: list[Member] = []
        self.errors: list[dict[str, str]] = []
        self._seen: set[bytes] = set()

    def take(self, row: Mapping[str, Any]) -> None:
        try:
            self._write(row)
        except RowRefusedError as refused:
            self._refuse(row, refused)
        except Problem as problem:
            field, message = problem.errors[0] if problem.errors else ("", "")
            self._refuse(row, RowRefusedError(problem.detail, field=field, field_message=message))

    def _write(self, row: Mapping[str, Any]) -> None:
        email, status = row.get("email_address"), row.get("status")
        if not email:
            raise RowRefusedError("Please provide a valid email address.", field="email_address")
        digest = digest_of(email)
        if digest in self._seen:
            if self.skip_duplicates:
                return  # the first of them wins
            raise RowRefusedError(f"{email} appears more than once in this request.")
        self._seen.add(digest)
        member = self.audience.by_digest(digest)
        if member is None:
            if status is None:
                raise RowRefusedError("The status of a new contact is missing.", field="status")
            member = create(self.audience, row, status, skip_required=self.skip_required, digest=digest)
            self.created.append(member)
            self.account.wrote(self.audience, member, NEW, None)
        else:
            self._write_known(row, member, status)

    def _write_known(self, row: Mapping[str, Any], member: Member, status: str | None) -> None:
        check_compliance(member, status)
        # Archived members can be added back by API (pmpro-mailchimp#152); that a batch does it too is UNVERIFIED.
        again = member.status == "archived" and status is not None
        if not self.update_existing and not again:
            raise RowRefusedError(
                f"{member.email} is already a list member, do you want to update? "
                "please provide update_existing:true in the request body",
                "ERROR_CONTACT_EXISTS",
            )
        before = glimpse(member)
        changed = update(self.audience, member, row, status, skip_required=self.skip_required, sync_tags=self.sync_tags)
        (self.created if again and not self.update_existing else self.updated).append(member)
        self.account.wrote(self.audience, member, changed, before)

    def _refuse(self, row: Mapping[str, Any], refused: RowRefusedError) -> None:
        self.errors.append(
            {
                "email_address": row.get("email_address", ""),
                "error": refused.error,
                "error_code": refused.code,
                "field": refused.field,
                "field_message": refused.field_message,
            }
        )
