"""The truth table of consent: what is written where, and by which rule. Total, and it looks at nothing but states.

Each table below has one row for a situation in Shopify; its seven cells are what Mailchimp says. A cell knows what is
done by default and, where it matters, what is done when one side's choice is provably the later one (consent.md 2.3 to
2.6). `decide` picks row and cell. Ask `domain.consent.reconcile` before writing: this is only the table behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

from shopchimp.domain.rules import Rule
from shopchimp.domain.states import ContactStatus, CustomerState, CustomerWrite, Newer, Phase, Policy


@dataclass(frozen=True, slots=True)
class Decision:
    """What is written to Shopify or to Mailchimp (never both), and why."""

    write_customer: CustomerWrite | None
    write_contact: ContactStatus | None
    rule: Rule

    @property
    def writes(self) -> bool:
        """Whether anything is written at all."""
        return self.write_customer is not None or self.write_contact is not None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the default, and what holds instead when one side's choice is provably newer."""

    default: Decision
    shopify_newer: Decision | None = None
    mailchimp_newer: Decision | None = None

    def when(self, newer: Newer) -> Decision:
        """The decision for this proof."""
        if newer is Newer.SHOPIFY and self.shopify_newer:
            return self.shopify_newer
        if newer is Newer.MAILCHIMP and self.mailchimp_newer:
            return self.mailchimp_newer
        return self.default


Row = dict[ContactStatus, Cell]


def decide(
    phase: Phase,
    before: CustomerState,
    after: CustomerState,
    status: ContactStatus,
    *,
    newer: Newer,
    policy: Policy,
) -> Decision:
    """The row and cell of the truth tables. Only an ongoing change looks at `before`, only D1 at `policy`."""
    if phase is Phase.INITIAL:
        table = _LATEST_CHOICE_WINS if policy is Policy.LATEST_CHOICE_WINS else _INITIAL
        return table[after][status].when(newer)
    if phase is Phase.WEBHOOK:
        return _WEBHOOK[after][status].when(newer)
    return _ongoing(before, after)[status].when(newer)


def _ongoing(before: CustomerState, after: CustomerState) -> Row:
    """What happened in Shopify, as a row of the second table."""
    unchanged = before is after
    match after:
        case CustomerState.SUBSCRIBED if before is CustomerState.PENDING:
            row = _CONFIRMED
        case CustomerState.SUBSCRIBED:
            row = _STILL_SUBSCRIBED if unchanged else _OPTED_IN
        case CustomerState.UNSUBSCRIBED:
            row = _STILL_UNSUBSCRIBED if unchanged else _OPTED_OUT
        case CustomerState.NOT_SUBSCRIBED:
            row = _OTHER_ADDRESS if before in _HAD_CHOSEN else _UNASKED
        case CustomerState.PENDING:
            row = _AWAITING
        case CustomerState.REDACTED:
            row = _ERASED if unchanged else _ERASURE
        case CustomerState.INVALID:
            row = _INVALID
        case CustomerState.ABSENT:
            row = _CUSTOMER_GONE
    return row


# A choice, once made, cannot become "never asked": the customer record got another address.
_HAD_CHOSEN = frozenset({CustomerState.SUBSCRIBED, CustomerState.UNSUBSCRIBED, CustomerState.PENDING})


def _nothing(rule: Rule) -> Decision:
    return Decision(None, None, rule)


def _shopify(write: CustomerWrite, rule: Rule) -> Decision:
    return Decision(write, None, rule)


def _mailchimp(write: ContactStatus, rule: Rule) -> Decision:
    return Decision(None, write, rule)


def _row(
    *,
    subscribed: Decision | Cell,
    unsubscribed: Decision | Cell,
    cleaned: Decision | Cell,
    pending: Decision | Cell,
    transactional: Decision | Cell,
    archived: Decision | Cell,
    absent: Decision | Cell,
) -> Row:
    cells = {
        ContactStatus.SUBSCRIBED: subscribed,
        ContactStatus.UNSUBSCRIBED: unsubscribed,
        ContactStatus.CLEANED: cleaned,
        ContactStatus.PENDING: pending,
        ContactStatus.TRANSACTIONAL: transactional,
        ContactStatus.ARCHIVED: archived,
        ContactStatus.ABSENT: absent,
    }
    return {status: cell if isinstance(cell, Cell) else Cell(cell) for status, cell in cells.items()}


def _all(decision: Decision, **others: Decision | Cell) -> Row:
    """A row that does the same whatever Mailchimp says, but for the cells named."""
    return _row(**{status.value: others.get(status.value, decision) for status in ContactStatus})


_SUB, _UNSUB = CustomerWrite.SUBSCRIBED, CustomerWrite.UNSUBSCRIBED
_MC_SUB, _MC_UNSUB = ContactStatus.SUBSCRIBED, ContactStatus.UNSUBSCRIBED
_MC_TRANSACTIONAL = ContactStatus.TRANSACTIONAL

# --- First sync (2.3): nothing is known of either side ---------------------------------------------------------------

_INITIAL: dict[CustomerState, Row] = {
    CustomerState.SUBSCRIBED: _row(
        subscribed=_nothing(Rule.INITIAL_SUBSCRIBED),
        unsubscribed=Cell(
            _shopify(_UNSUB, Rule.INITIAL_OPT_OUT),
            shopify_newer=_mailchimp(_MC_SUB, Rule.INITIAL_LATER_OPT_IN),
        ),
        cleaned=Cell(
            _shopify(_UNSUB, Rule.INITIAL_BOUNCED),
            shopify_newer=_nothing(Rule.INITIAL_BOUNCED_THEN_OPTED_IN),
        ),
        pending=_nothing(Rule.INITIAL_CONFIRMING),
        transactional=_mailchimp(_MC_SUB, Rule.INITIAL_CARRIED),
        archived=Cell(
            _nothing(Rule.INITIAL_ARCHIVED),
            shopify_newer=_mailchimp(_MC_SUB, Rule.INITIAL_UNARCHIVED),
        ),
        absent=_mailchimp(_MC_SUB, Rule.INITIAL_CREATED),
    ),
    CustomerState.NOT_SUBSCRIBED: _row(
        subscribed=_shopify(_SUB, Rule.INITIAL_KEPT),
        unsubscribed=_shopify(_UNSUB, Rule.INITIAL_OPT_OUT_OVER_UNASKED),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.INITIAL_CONFIRMING),
        transactional=_nothing(Rule.INITIAL_UNASKED),
        archived=_nothing(Rule.INITIAL_ARCHIVED),
        absent=_mailchimp(_MC_TRANSACTIONAL, Rule.INITIAL_CREATED_NON_SUBSCRIBED),
    ),
    CustomerState.UNSUBSCRIBED: _row(
        subscribed=_shopify(_SUB, Rule.INITIAL_KEPT),
        unsubscribed=_nothing(Rule.INITIAL_OPTED_OUT),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.INITIAL_CONFIRMING),
        transactional=_mailchimp(_MC_UNSUB, Rule.INITIAL_OPT_OUT_RECORDED),
        archived=_nothing(Rule.INITIAL_ARCHIVED),
        absent=_mailchimp(_MC_UNSUB, Rule.INITIAL_CREATED_OPTED_OUT),
    ),
    CustomerState.PENDING: _row(
        subscribed=_shopify(_SUB, Rule.INITIAL_KEPT),
        unsubscribed=_nothing(Rule.INITIAL_OWN_CONFIRMATION),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.INITIAL_CONFIRMING),
        transactional=_nothing(Rule.INITIAL_UNASKED),
        archived=_nothing(Rule.INITIAL_ARCHIVED),
        absent=_mailchimp(_MC_TRANSACTIONAL, Rule.INITIAL_CREATED_UNCONFIRMED),
    ),
    CustomerState.REDACTED: _all(_nothing(Rule.INITIAL_REDACTED)),
    CustomerState.INVALID: _all(_nothing(Rule.INITIAL_INVALID)),
    CustomerState.ABSENT: _all(_nothing(Rule.INITIAL_NO_CUSTOMER)),
}

# D1, the merchant's other answer: a Shopify opt-out that is provably later stands.
_LATEST_CHOICE_WINS: dict[CustomerState, Row] = {
    **_INITIAL,
    CustomerState.UNSUBSCRIBED: {
        **_INITIAL[CustomerState.UNSUBSCRIBED],
        ContactStatus.SUBSCRIBED: Cell(
            _shopify(_SUB, Rule.INITIAL_KEPT),
            shopify_newer=_mailchimp(_MC_UNSUB, Rule.INITIAL_LATER_OPT_OUT),
        ),
    },
}

# --- A Shopify change arrived (2.4), one row for each kind of change --------------------------------------------------

_OPTED_IN = _row(
    subscribed=_nothing(Rule.EQUAL),
    unsubscribed=Cell(
        _mailchimp(_MC_SUB, Rule.OPTED_IN_AGAIN),
        mailchimp_newer=_shopify(_UNSUB, Rule.STALE_OPT_IN),
    ),
    cleaned=Cell(
        _mailchimp(_MC_SUB, Rule.OPTED_IN_BOUNCED),
        mailchimp_newer=_shopify(_UNSUB, Rule.BOUNCED),
    ),
    pending=_nothing(Rule.ALREADY_ASKED),
    transactional=_mailchimp(_MC_SUB, Rule.OPTED_IN),
    archived=Cell(
        _mailchimp(_MC_SUB, Rule.OPTED_IN_ARCHIVED),
        mailchimp_newer=_nothing(Rule.ARCHIVED),
    ),
    absent=_mailchimp(_MC_SUB, Rule.OPTED_IN_NEW),
)
_CONFIRMED: Row = {
    **_OPTED_IN,
    ContactStatus.PENDING: Cell(_mailchimp(_MC_SUB, Rule.CONFIRMED_IN_SHOPIFY)),
}
_STILL_SUBSCRIBED = _row(
    subscribed=_nothing(Rule.EQUAL),
    unsubscribed=Cell(
        _shopify(_UNSUB, Rule.MAILCHIMP_OPT_OUT),
        shopify_newer=_mailchimp(_MC_SUB, Rule.RENEWED),
    ),
    cleaned=Cell(
        _shopify(_UNSUB, Rule.BOUNCED),
        shopify_newer=_nothing(Rule.BOUNCED_THEN_OPTED_IN),
    ),
    pending=_nothing(Rule.ALREADY_ASKED),
    transactional=_mailchimp(_MC_SUB, Rule.ON_RECORD),
    archived=_nothing(Rule.ARCHIVED),
    absent=_mailchimp(_MC_SUB, Rule.CREATED),
)
_OPTED_OUT = _row(
    subscribed=Cell(
        _mailchimp(_MC_UNSUB, Rule.OPTED_OUT),
        mailchimp_newer=_shopify(_SUB, Rule.LATER_MAILCHIMP_OPT_IN),
    ),
    unsubscribed=_nothing(Rule.OUT_ON_BOTH),
    cleaned=_nothing(Rule.OUT_ON_BOTH),
    pending=Cell(
        _mailchimp(_MC_UNSUB, Rule.OPT_OUT_CANCELS),
        mailchimp_newer=_nothing(Rule.ASKED_AGAIN),
    ),
    transactional=_mailchimp(_MC_UNSUB, Rule.NEW_OPT_OUT_RECORDED),
    archived=_nothing(Rule.OPT_OUT_ARCHIVED),
    absent=_mailchimp(_MC_UNSUB, Rule.CREATED_OPTED_OUT),
)
_STILL_UNSUBSCRIBED: Row = {
    **_OPTED_OUT,
    ContactStatus.SUBSCRIBED: Cell(
        _mailchimp(_MC_UNSUB, Rule.STILL_OPTED_OUT),
        mailchimp_newer=_shopify(_SUB, Rule.LATER_MAILCHIMP_OPT_IN),
    ),
    ContactStatus.PENDING: Cell(_nothing(Rule.ASKED_AGAIN)),
    ContactStatus.TRANSACTIONAL: Cell(_mailchimp(_MC_UNSUB, Rule.OPT_OUT_RECORDED)),
}
_UNASKED = _all(
    _nothing(Rule.UNASKED),
    subscribed=_shopify(_SUB, Rule.NOT_TICKED),
    unsubscribed=_shopify(_UNSUB, Rule.KNOWN_OPT_OUT),
    absent=_mailchimp(_MC_TRANSACTIONAL, Rule.CREATED_NON_SUBSCRIBED),
)
_OTHER_ADDRESS = _all(
    _nothing(Rule.OTHER_ADDRESS_UNASKED),
    subscribed=_shopify(_SUB, Rule.OTHER_ADDRESS_NOT_TICKED),
    unsubscribed=_shopify(_UNSUB, Rule.OTHER_ADDRESS_OPT_OUT),
    absent=_mailchimp(_MC_TRANSACTIONAL, Rule.OTHER_ADDRESS_CREATED),
)
_AWAITING = _all(
    _nothing(Rule.AWAITING),
    subscribed=_nothing(Rule.AWAITING_SUBSCRIBED),
    absent=_mailchimp(_MC_TRANSACTIONAL, Rule.CREATED_UNCONFIRMED),
)
_ERASED = _all(_nothing(Rule.ERASED))
_ERASURE = _all(
    _nothing(Rule.ERASED),
    subscribed=_mailchimp(_MC_UNSUB, Rule.ERASURE),
    pending=_mailchimp(_MC_UNSUB, Rule.ERASURE),
)
_INVALID = _all(_nothing(Rule.INVALID))
_CUSTOMER_GONE = _all(_nothing(Rule.CUSTOMER_GONE))

# --- A Mailchimp change arrived (2.5); the cell is the contact's new status -------------------------------------------

_WEBHOOK: dict[CustomerState, Row] = {
    CustomerState.SUBSCRIBED: _row(
        subscribed=_nothing(Rule.EQUAL),
        unsubscribed=Cell(
            _shopify(_UNSUB, Rule.CONTACT_OPTED_OUT),
            shopify_newer=_mailchimp(_MC_SUB, Rule.DELAYED_OPT_OUT),
        ),
        cleaned=Cell(
            _shopify(_UNSUB, Rule.CONTACT_BOUNCED),
            shopify_newer=_nothing(Rule.BOUNCED_THEN_OPTED_IN),
        ),
        pending=_nothing(Rule.CONTACT_CONFIRMING),
        transactional=_mailchimp(_MC_SUB, Rule.ON_RECORD),
        archived=_nothing(Rule.CONTACT_ARCHIVED),
        absent=_nothing(Rule.CONTACT_DELETED),
    ),
    CustomerState.NOT_SUBSCRIBED: _row(
        subscribed=_shopify(_SUB, Rule.CONTACT_SUBSCRIBED),
        unsubscribed=_shopify(_UNSUB, Rule.CONTACT_OPT_OUT_RECORDED),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.CONTACT_CONFIRMING),
        transactional=_nothing(Rule.UNASKED),
        archived=_nothing(Rule.CONTACT_ARCHIVED),
        absent=_nothing(Rule.CONTACT_DELETED),
    ),
    CustomerState.UNSUBSCRIBED: _row(
        subscribed=Cell(
            _shopify(_SUB, Rule.CONTACT_SUBSCRIBED),
            shopify_newer=_mailchimp(_MC_UNSUB, Rule.DELAYED_OPT_IN),
        ),
        unsubscribed=_nothing(Rule.EQUAL),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.CONTACT_CONFIRMING),
        transactional=_mailchimp(_MC_UNSUB, Rule.OPT_OUT_RECORDED),
        archived=_nothing(Rule.CONTACT_ARCHIVED),
        absent=_nothing(Rule.CONTACT_DELETED),
    ),
    CustomerState.PENDING: _row(
        subscribed=_shopify(_SUB, Rule.CONTACT_SUBSCRIBED),
        unsubscribed=Cell(
            _shopify(_UNSUB, Rule.OPT_OUT_OVER_REQUEST),
            shopify_newer=_nothing(Rule.NEWER_REQUEST),
        ),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.CONTACT_CONFIRMING),
        transactional=_nothing(Rule.UNASKED),
        archived=_nothing(Rule.CONTACT_ARCHIVED),
        absent=_nothing(Rule.CONTACT_DELETED),
    ),
    CustomerState.REDACTED: _all(_nothing(Rule.CUSTOMER_READ_ONLY)),
    CustomerState.INVALID: _all(_nothing(Rule.CUSTOMER_READ_ONLY)),
    CustomerState.ABSENT: _row(
        subscribed=_shopify(CustomerWrite.CREATE_SUBSCRIBED, Rule.CUSTOMER_CREATED),
        unsubscribed=_nothing(Rule.NO_CUSTOMER_FROM_OPT_OUT),
        cleaned=_nothing(Rule.NOT_MAILABLE),
        pending=_nothing(Rule.CONTACT_CONFIRMING),
        transactional=_shopify(CustomerWrite.CREATE_NOT_SUBSCRIBED, Rule.CUSTOMER_CREATED_UNASKED),
        archived=_nothing(Rule.CONTACT_ARCHIVED),
        absent=_nothing(Rule.CONTACT_DELETED),
    ),
}
