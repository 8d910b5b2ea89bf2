"""Secrets at rest: AES-256-GCM, each value bound to the row and column it was written for.

A sealed value is `version (1 byte) | key id (8) | nonce (12) | ciphertext and tag`. The context and the key id are
associated data, so a cell copied to another shop's row does not open there. Keys rotate: the first one writes, all
read, and `key_ids` against the second to ninth byte of the cells tells which key may be dropped.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
EXAMPLE_KEY = "cmVwbGFjZS1tZS13aXRoLTMyLXJhbmRvbS1ieXRlcyE="  # stands in .env.example, hence known to everybody
_VERSION = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + _ID_BYTES


class VaultError(Exception):
    """A sealed value cannot be opened. The text never holds the value or a key."""


class UnknownKey(VaultError):
    """It was sealed with a key that is not among ours (any more)."""


class Vault:
    """Seals and opens. `keys` as from `parse_keys`: the first one writes, all read."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a vault needs one or more keys of {KEY_BYTES} bytes")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self.key_ids = tuple(self._ciphers)
        self._marks = tuple(hmac.digest(key, b"shopchimp fingerprint", hashlib.sha256) for key in keys)

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt for one place only, e.g. context `shopify-token:{shop_id}:access`."""
        key_id, nonce = self.key_ids[0], os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[key_id].encrypt(nonce, plaintext, _associated(context, key_id))
        return _VERSION + key_id + nonce + sealed

    def open(self, blob: bytes, *, context: str) -> bytes:
        """What was sealed under this very context; VaultError when the cell was moved, changed or cut."""
        key_id, rest = _split(blob)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(f"sealed with key {key_id.hex()}, which is not in SHOPCHIMP_ENCRYPTION_KEYS")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _associated(context, key_id))
        except InvalidTag:
            raise VaultError("the sealed value was changed, or belongs to another row") from None

    def fingerprints(self, text: str) -> tuple[bytes, ...]:
        """Keyed hashes of a text that must be known again but not be kept: one a key, the first is for writing."""
        message = text.encode(errors="surrogatepass")
        return tuple(hmac.digest(mark, message, hashlib.sha256) for mark in self._marks)

    def needs_rotation(self, blob: bytes) -> bool:
        """Whether another key than the first one wrote this."""
        return _split(blob)[0] != self.key_ids[0]


def parse_keys(text: str) -> tuple[bytes, ...]:
    """The keys of SHOPCHIMP_ENCRYPTION_KEYS, or ValueError naming the culprit by its place, never by its value."""
    parts = [part.strip() for part in text.split(",")]
    if parts == [""]:
        raise ValueError("no encryption key; make one with: openssl rand -base64 32")
    keys = tuple(_parse_key(part, f"encryption key {place}") for place, part in enumerate(parts, start=1))
    if len(set(keys)) != len(keys):
        raise ValueError("the same encryption key is given twice")
    return keys


def _parse_key(text: str, name: str) -> bytes:
    try:
        key = base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{name} is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"{name} has {len(key)} bytes instead of {KEY_BYTES}; openssl rand -base64 32 makes one")
    if key == base64.b64decode(EXAMPLE_KEY):
        raise ValueError(f"{name} is the example from .env.example; make an own one with: openssl rand -base64 32")
    if len(set(key)) == 1:
        raise ValueError(f"{name} is one byte repeated, which is no secret")
    return key


def _key_id(key: bytes) -> bytes:
    return hmac.digest(key, b"shopchimp key id", hashlib.sha256)[:_ID_BYTES]


def _associated(context: str, key_id: bytes) -> bytes:
    return key_id + context.encode()


def _split(blob: bytes) -> tuple[bytes, bytes]:
    if blob[:1] != _VERSION or len(blob) < _HEAD_BYTES + _NONCE_BYTES + 16:
        raise VaultError("not a sealed value")
    return blob[1:_HEAD_BYTES], blob[_HEAD_BYTES:]
