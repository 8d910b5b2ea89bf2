"""E-mail addresses: the key that joins a customer and a contact, and whether one can be an address; phone numbers."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Self

# Nearly every address; what it doesn't match is looked at more closely.
_PLAIN = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*\.)+[A-Za-z]{2,24}")
_LABEL = re.compile(r"[^\W_](?:[\w-]*[^\W_])?", re.ASCII)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_SPELLING = re.compile(r"[\s().\-/]|^tel:")
_ASCII_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")


class AddressProblem(StrEnum):
    """Why an address cannot be one. `sentence` is what the merchant reads."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        """Make the member a string that is its code."""
        problem = str.__new__(cls, code)
        problem._value_ = code
        problem.sentence = sentence
        return problem

    EMPTY = "empty", "There is no address"
    TOO_LONG = "too_long", "It is too long: at most 64 characters before the @ and 254 in all"
    NO_AT = "no_at", "It needs one @"
    SPACE = "space", "It has a space or an invisible character in it"
    LOCAL_PART = "local_part", "The part before the @ is not allowed"
    DOMAIN = "domain", "The part after the @ is not a domain name"


def normalise(email: str) -> str:
    """The address as the key of a person: trimmed and in lower case, as Mailchimp does before its MD5."""
    return email.strip().lower()


def subscriber_hash(email: str) -> str:
    """Mailchimp's path key of a contact: the MD5 of the normalised address (mailchimp.md 5)."""
    return hashlib.md5(normalise(email).encode(), usedforsecurity=False).hexdigest()


def e164(phone: str | None) -> str | None:
    """A phone number in the international form that both platforms take ("+14045550142"), or None.

    A number without its country is none: guessing the country could text a stranger.
    """
    digits = _PHONE_SPELLING.sub("", phone or "")
    return digits if _PHONE.fullmatch(digits) else None


def is_deliverable_looking(email: str) -> bool:
    """Whether it is worth asking Mailchimp to take this address."""
    return (len(email) <= 64 and _PLAIN.fullmatch(email) is not None) or problem_of(email) is None


def problem_of(email: str) -> AddressProblem | None:
    """What is wrong with the address, or None.

    It refuses only what no mail server takes, quoted local parts and literal hosts aside (Mailchimp refuses those
    too). Letters outside ASCII pass on both sides of the @: Mailchimp is the judge of them.
    """
    address = email.strip()
    if not address:
        return AddressProblem.EMPTY
    if len(address.encode(errors="replace")) > 254:
        return AddressProblem.TOO_LONG
    if not address.isprintable() or " " in address:
        return AddressProblem.SPACE
    local, at, domain = address.partition("@")
    if not at or "@" in domain:
        return AddressProblem.NO_AT
    if len(local.encode(errors="replace")) > 64:
        return AddressProblem.TOO_LONG
    if not _is_local_part(local):
        return AddressProblem.LOCAL_PART
    return None if _is_domain(domain) else AddressProblem.DOMAIN


def _is_local_part(local: str) -> bool:
    # An ASCII character outside the list stays forbidden; all others are for Mailchimp to judge.
    ascii_only = "".join(character for character in local if character.isascii())
    if not local or (ascii_only and not _ASCII_LOCAL.fullmatch(ascii_only)):
        return False
    return not (local.startswith(".") or local.endswith(".") or ".." in local)


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) > 1 and all(map(_is_label, labels)) and not labels[-1].isdigit()


def _is_label(label: str) -> bool:
    if label.isascii():
        return len(label) <= 63 and _LABEL.fullmatch(label) is not None
    return not (label.startswith("-") or label.endswith("-"))
