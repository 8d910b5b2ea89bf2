"""The app's web pixel as Shopify has it after `shopify app deploy`: its settings, what it asks of visitors, its code.

The code is the extension's own, read from its folder; an installed package carries a copy.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

SETTINGS_FILE: Final = "shopify.extension.toml"
CHECKOUT: Final = Path(__file__).parents[3] / "extensions" / "shopchimp-pixel"


@dataclass(frozen=True, slots=True)
class Extension:
    handle: str
    fields: Mapping[str, int]  # name -> the fewest characters it may have
    marketing: bool
    analytics: bool
    preferences: bool
    sale_of_data: str  # enabled: not for those who opted out
    code: Path  # folder of index.js and pixel.js, read anew for every page: a change is seen at once


def read_extension(folder: Path) -> Extension:
    given = tomllib.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    privacy = given["customer_privacy"]
    return Extension(
        handle=given.get("handle", given["name"]),
        fields={name: _fewest(each) for name, each in given["settings"]["fields"].items()},
        marketing=privacy["marketing"],
        analytics=privacy["analytics"],
        preferences=privacy["preferences"],
        sale_of_data=privacy["sale_of_data"],
        code=folder / "src",
    )


def find_extension() -> Extension | None:
    """The checkout's, or the copy in the installed package."""
    packaged = Path(str(files("shopchimp.sandbox").joinpath("pixel_extension")))
    found = next((each for each in (CHECKOUT, packaged) if (each / SETTINGS_FILE).exists()), None)
    return None if found is None else read_extension(found)


def _fewest(field: Mapping[str, Any]) -> int:
    return next((int(each["value"]) for each in field.get("validations", ()) if each["name"] == "min"), 0)
