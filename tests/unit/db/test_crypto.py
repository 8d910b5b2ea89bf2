"""Values at rest: what one row's cell may not do in another's place, and how keys come and go."""

from __future__ import annotations

import base64
import os
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.db.crypto import EXAMPLE_KEY, UnknownKey, Vault, VaultError, parse_keys

NEW, OLD, FOREIGN = (bytes([n]) * 16 + bytes(range(16)) for n in (1, 2, 3))
PLACE = "shopify-token:1:access"
TOKEN = b"shpat_canary"


def key_text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(plaintext=st.binary(), context=st.text(st.characters(exclude_categories=["Cs"])))
def test_there_and_back(plaintext, context):
    vault = Vault((NEW,))
    assert vault.open(vault.seal(plaintext, context=context), context=context) == plaintext


def test_sealing_twice_differs_and_shows_nothing():
    vault = Vault((NEW,))
    first, second = vault.seal(TOKEN, context=PLACE), vault.seal(TOKEN, context=PLACE)
    assert first[9:] != second[9:]
    assert TOKEN not in first
    assert len(first) == 1 + 8 + 12 + len(TOKEN) + 16


@pytest.mark.parametrize("context", ["shopify-token:2:access", "shopify-token:1:refresh", "", PLACE + " "])
def test_a_cell_moved_to_another_row_does_not_open(context):
    vault = Vault((NEW,))
    with pytest.raises(VaultError, match="another row"):
        vault.open(vault.seal(TOKEN, context=PLACE), context=context)


def test_no_bit_can_be_changed_and_no_byte_cut():
    vault = Vault((NEW, OLD))
    blob = vault.seal(TOKEN, context=PLACE)
    for place in range(len(blob)):
        for bit in (1, 128):
            changed = bytearray(blob)
            changed[place] ^= bit
            with pytest.raises(VaultError):
                vault.open(bytes(changed), context=PLACE)
        with pytest.raises(VaultError):
            vault.open(blob[:place], context=PLACE)
    with pytest.raises(VaultError):
        vault.open(blob + b"\0", context=PLACE)


def test_the_key_id_is_bound_too():
    """The same key under another id would open, were the id not part of the associated data."""
    vault = Vault((NEW, OLD))
    blob = vault.seal(TOKEN, context=PLACE)
    vault._ciphers[vault.key_ids[1]] = vault._ciphers[vault.key_ids[0]]
    with pytest.raises(VaultError, match="changed"):
        vault.open(blob[:1] + vault.key_ids[1] + blob[9:], context=PLACE)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_and_not_an_error(blob):
    with pytest.raises(VaultError):
        Vault((NEW,)).open(blob, context=PLACE)


def test_rotation():
    before, during, after = Vault((OLD,)), Vault((NEW, OLD)), Vault((NEW,))
    blob = before.seal(TOKEN, context=PLACE)
    assert not before.needs_rotation(blob)
    assert during.needs_rotation(blob)
    assert during.open(blob, context=PLACE) == TOKEN

    rotated = during.seal(during.open(blob, context=PLACE), context=PLACE)
    assert not during.needs_rotation(rotated)
    assert after.open(rotated, context=PLACE) == TOKEN
    assert rotated[1:9] == during.key_ids[0] == after.key_ids[0]

    with pytest.raises(UnknownKey, match=before.key_ids[0].hex()):
        after.open(blob, context=PLACE)
    with pytest.raises(VaultError):
        after.needs_rotation(b"plain text")


def test_errors_name_neither_key_nor_value():
    vault = Vault((NEW,))
    blob = Vault((FOREIGN,)).seal(TOKEN, context=PLACE)
    for attempt in (blob, vault.seal(TOKEN, context="elsewhere"), TOKEN):
        with pytest.raises(VaultError) as caught:
            vault.open(attempt, context=PLACE)
        printed = "".join(traceback.format_exception(caught.value))
        assert "canary" not in printed
        assert NEW.hex() not in printed
        assert caught.value.__cause__ is None
    assert NEW.hex() not in repr(vars(vault))
    assert repr(NEW)[2:-1] not in repr(vars(vault))


@pytest.mark.parametrize("keys", [(), (b"",), (NEW[:31],), (NEW, NEW + b"x")])
def test_a_vault_needs_whole_keys(keys):
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)


class TestParsing:
    def test_several_in_order(self):
        assert parse_keys(f" {key_text(NEW)} ,{key_text(OLD)}\n") == (NEW, OLD)

    def test_both_alphabets(self):
        key = b"\xff\xfe" * 16
        assert parse_keys(base64.urlsafe_b64encode(key).decode()) == parse_keys(key_text(key)) == (key,)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "no encryption key"),
            ("  ", "no encryption key"),
            (",", "key 1 has 0 bytes"),
            (f"{key_text(NEW)},", "key 2 has 0 bytes"),
            ("canary, not base64!", "key 1 is not base64"),
            (f"{key_text(NEW)},canary!", "key 2 is not base64"),
            ("sch\u00fcssel", "key 1 is not base64"),
            (key_text(NEW)[:-1], "key 1 is not base64"),
            (f"{key_text(NEW)[:9]}!{key_text(NEW)[9:]}", "key 1 is not base64"),
            (key_text(NEW[:31]), "key 1 has 31 bytes instead of 32"),
            (key_text(NEW + b"x"), "key 1 has 33 bytes instead of 32"),
            (NEW.hex(), "key 1 has 48 bytes instead of 32"),
            (EXAMPLE_KEY, "key 1 is the example"),
            (f"{key_text(NEW)},{EXAMPLE_KEY}", "key 2 is the example"),
            (EXAMPLE_KEY.replace("+", "-").replace("/", "_"), "key 1 is the example"),
            (key_text(bytes(32)), "key 1 is one byte repeated"),
            (f"{key_text(NEW)},{key_text(b'x' * 32)}", "key 2 is one byte repeated"),
            (f"{key_text(NEW)},{key_text(NEW)}", "given twice"),
        ],
    )
    def test_refusals_name_the_place_and_not_the_value(self, text, words):
        with pytest.raises(ValueError, match=words) as caught:
            parse_keys(text)
        printed = "".join(traceback.format_exception(caught.value))
        for part in filter(None, (part.strip() for part in text.split(","))):
            assert part not in printed
        assert caught.value.__cause__ is None

    def test_a_fresh_key_is_fine(self):
        key = os.urandom(32)
        assert Vault(parse_keys(key_text(key))).key_ids
