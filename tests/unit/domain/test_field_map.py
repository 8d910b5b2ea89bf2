"""Customer fields as merge fields: the default map, a merchant's own, and what differs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.domain.fields import (
    FieldMap,
    InvalidFieldMap,
    MergeFieldSpec,
    Source,
    differences,
    merge_fields,
)

HOME = {
    "address1": "1 Test St",
    "address2": None,
    "city": "Atlanta",
    "province": "Georgia",
    "provinceCode": "GA",
    "countryCodeV2": "US",
    "zip": "30308",
    "phone": "+14045550199",
    "company": "Reyes Ltd",
}
ANA: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "Reyes",
    "phone": "+14045550142",
    "default_address": HOME,
}
SENT_HOME = {
    "addr1": "1 Test St",
    "addr2": "",
    "city": "Atlanta",
    "state": "GA",
    "zip": "30308",
    "country": "US",
}
DEFAULT = FieldMap.default()


def sent(**changes: Any) -> dict[str, Any]:
    return merge_fields({**ANA, **changes}, DEFAULT)


def home(**changes: Any) -> dict[str, Any]:
    return {**HOME, **changes}


def test_the_default_map() -> None:
    assert sent() == {
        "FNAME": "Ana",
        "LNAME": "Reyes",
        "PHONE": "+14045550142",
        "ADDRESS": SENT_HOME,
        "COMPANY": "Reyes Ltd",
    }


@pytest.mark.parametrize(
    ("own", "at_home", "phone"),
    [("+1", "+2", "+1"), (None, "+2", "+2"), ("", "+2", "+2"), ("  ", "+2", "+2"), (None, None, None)],
)
def test_s106_the_customers_phone_then_that_of_the_default_address(
    own: str | None, at_home: str | None, phone: str | None
) -> None:
    assert sent(phone=own, default_address=home(phone=at_home)).get("PHONE") == phone


@pytest.mark.parametrize("lacking", ["address1", "city", "zip"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_an_incomplete_address_is_left_out(lacking: str, value: str | None) -> None:
    assert "ADDRESS" not in sent(default_address=home(**{lacking: value}))


def test_an_address_needs_a_state_by_code_or_by_name() -> None:
    assert sent(default_address=home(provinceCode=None))["ADDRESS"]["state"] == "Georgia"
    assert "ADDRESS" not in sent(default_address=home(provinceCode=None, province=None))


def test_addresses_of_an_export_are_read_too() -> None:
    exported = {name: HOME[name] for name in ("address1", "city", "zip")} | {
        "province_code": "GA",
        "country_code": "US",
    }
    assert sent(default_address=exported)["ADDRESS"] == SENT_HOME


def test_empty_values_never_overwrite() -> None:
    assert merge_fields({}, DEFAULT) == {}
    nothing = {"first_name": None, "last_name": "", "phone": None, "default_address": None}
    assert merge_fields(nothing, DEFAULT) == {}
    assert merge_fields({**nothing, "default_address": "unreadable"}, DEFAULT) == {}


def test_the_customers_own_company_goes_first() -> None:
    assert sent(company="Acme")["COMPANY"] == "Acme"


def test_every_other_source() -> None:
    everything = FieldMap.from_json(
        {"NAME": "full_name", "CITY": "city", "PROVINCE": "province", "ZIP": "zip", "COUNTRY": "country"}
    )
    assert merge_fields(ANA, everything) == {
        "NAME": "Ana Reyes",
        "CITY": "Atlanta",
        "PROVINCE": "Georgia",
        "ZIP": "30308",
        "COUNTRY": "US",
    }
    assert merge_fields({"last_name": "Reyes"}, everything) == {"NAME": "Reyes"}


def test_every_source_can_be_read() -> None:
    everything = FieldMap(tuple((source.value.upper(), source) for source in Source))
    assert set(merge_fields(ANA, everything)) == {source.value.upper() for source in Source}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("  Ana \n María\t", "Ana María"),
        ("Ana\u00a0María", "Ana María"),
        ("Ana\x00\u200b", "Ana"),
        ("x" * 300, "x" * 255),
        ("ü" * 200, "ü" * 127),
        ("😀" * 70, "😀" * 63),
        ("a" * 254 + " b", "a" * 254),
        ("a\ud800", "a"),
        (4711, "4711"),
    ],
)
def test_text_is_one_clean_line_cut_at_255_bytes(given: object, text: str) -> None:
    assert sent(first_name=given)["FNAME"] == text


@given(st.text())
def test_text_always_fits_and_is_stable(text: str) -> None:
    once = sent(first_name=text).get("FNAME", "")
    assert len(once.encode()) <= 255
    assert sent(first_name=once).get("FNAME", "") == once


# --- what differs -----------------------------------------------------------------------------------------------------


def test_only_what_differs_is_written() -> None:
    existing = {"FNAME": "Ana", "LNAME": "", "PHONE": "", "ADDRESS": "", "BIRTHDAY": "05/04"}
    assert differences(sent(), existing) == {
        "LNAME": "Reyes",
        "PHONE": "+14045550142",
        "ADDRESS": SENT_HOME,
        "COMPANY": "Reyes Ltd",
    }


def test_nothing_differs_from_what_was_just_written() -> None:
    assert differences(sent(), sent()) == {}
    assert differences(sent(), {**sent(), "ADDRESS": {**SENT_HOME, "country": "US", "addr2": ""}}) == {}


def test_numbers_and_surplus_spaces_are_no_difference() -> None:
    assert differences({"ZIP": "30308", "FNAME": "Ana"}, {"ZIP": 30308, "FNAME": " Ana "}) == {}


def test_an_address_is_compared_by_its_parts_and_written_whole() -> None:
    with_flat = {**SENT_HOME, "addr2": "Apt 4"}
    assert differences({"ADDRESS": SENT_HOME}, {"ADDRESS": with_flat}) == {}
    assert differences({"ADDRESS": with_flat}, {"ADDRESS": SENT_HOME}) == {"ADDRESS": with_flat}
    assert differences({"ADDRESS": SENT_HOME}, {"ADDRESS": {**with_flat, "addr1": "2 Test St"}}) == {
        "ADDRESS": SENT_HOME
    }
    assert differences({"ADDRESS": SENT_HOME}, {"ADDRESS": {"addr1": "1 Test St"}}) == {"ADDRESS": SENT_HOME}
    assert differences({"FNAME": "Ana"}, {"FNAME": {"addr1": "Ana"}}) == {"FNAME": "Ana"}


# --- a merchant's own map ---------------------------------------------------------------------------------------------


def test_a_map_survives_its_json_in_order() -> None:
    for field_map in (DEFAULT, FieldMap.from_json({"MMERGE5": "company", "FNAME": "full_name"}), FieldMap(())):
        assert FieldMap.from_json(json.loads(json.dumps(field_map.to_json()))) == field_map


def test_a_field_can_be_left_out() -> None:
    assert FieldMap.from_json({"FNAME": "first_name", "PHONE": None}).to_json() == {"FNAME": "first_name"}


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidFieldMap) as refused:
        FieldMap.from_json(
            {"fname": "first_name", "EMAIL": "phone", "PHONE": "fone", "ADDRESS": ["address"], "OK": "zip"}
        )
    sources = ", ".join(Source)
    assert refused.value.problems == (
        '"fname" is no merge tag: up to 10 capital letters, digits and underscores',
        "EMAIL belongs to Mailchimp and can't be mapped",
        f'PHONE: "fone" is no customer field; choose one of {sources}',
        f"ADDRESS: \"['address']\" is no customer field; choose one of {sources}",
    )
    assert str(refused.value) == "; ".join(refused.value.problems)


@pytest.mark.parametrize("value", [None, [], "FNAME", 1])
def test_a_map_is_an_object(value: object) -> None:
    with pytest.raises(InvalidFieldMap, match="A field map is an object"):
        FieldMap.from_json(value)


@pytest.mark.parametrize("tag", ["", "ELEVENCHARS", "A-B", "É", 5])
def test_a_merge_tag_has_its_form(tag: object) -> None:
    with pytest.raises(InvalidFieldMap, match="is no merge tag"):
        FieldMap.from_json({tag: "zip"})


def test_merge_fields_the_audience_lacks_are_to_be_made() -> None:
    has = {"FNAME": "text", "LNAME": "text", "PHONE": "phone"}
    assert DEFAULT.missing(has) == (
        MergeFieldSpec("ADDRESS", "Address", "address"),
        MergeFieldSpec("COMPANY", "Company", "text"),
    )


def test_merge_fields_of_an_unfit_type_are_named() -> None:
    has = {"FNAME": "text", "PHONE": "text", "ADDRESS": "text", "COMPANY": "dropdown"}
    assert DEFAULT.misfits(has) == (
        "ADDRESS has the type text in Mailchimp; Address needs address",
        "COMPANY has the type dropdown in Mailchimp; Company needs text",
    )
    assert DEFAULT.misfits({"PHONE": "number"}) == (
        "PHONE has the type number in Mailchimp; Phone Number needs phone or text",
    )
