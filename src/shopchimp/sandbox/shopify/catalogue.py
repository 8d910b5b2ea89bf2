"""Where products come from: Shopify's own product CSVs (real catalogues), and invented ones with every odd case."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from shopchimp.sandbox.people import HISTORY_START
from shopchimp.sandbox.shopify.goods import (
    FIRST_PICTURE,
    FIRST_PRODUCT,
    FIRST_VARIANT,
    Picture,
    Product,
    Variant,
)

OPENED: Final = int(HISTORY_START.timestamp())
MANY_VARIANTS: Final = 120  # more than one page of them
_ADJECTIVES: Final = ("Plain", "Striped", "Brass", "Oak", "Blue", "Crème", "Wool", "Tall")
_THINGS: Final = ("Lamp", "Mug", "Shirt", "Chair", "Scarf", "Vase", "Rug", "Clock")


@dataclass(slots=True)
class Builder:
    """Gives every product, variant and picture its number."""

    products: int = FIRST_PRODUCT
    variants: int = FIRST_VARIANT
    pictures: int = FIRST_PICTURE
    handles: set[str] = field(default_factory=set)

    def product(self, *, handle: str, title: str, **more: object) -> Product:
        self.products += 1
        free, number = handle, 0
        while free in self.handles:
            number += 1
            free = f"{handle}-{number}"
        self.handles.add(free)
        values: dict[str, object] = {
            "html": "",
            "vendor": "",
            "kind": "",
            "tags": (),
            "status": "ACTIVE",
            "published": OPENED,
            "option_names": ("Title",),
            "gift_card": False,
            "created": OPENED,
            "updated": OPENED,
        }
        return Product(self.products, free, title, **{**values, **more})  # type: ignore[arg-type]

    def variant(self, product: Product, *, options: tuple[str, ...], price: int, **more: object) -> Variant:
        self.variants += 1
        values: dict[str, object] = {
            "sku": None,
            "barcode": None,
            "compare_at": None,
            "stock": 0,
            "tracked": True,
            "policy": "DENY",
            "picture": None,
            "grams": 0,
            "created": product.created,
            "updated": product.updated,
        }
        made = Variant(
            number=self.variants,
            product=product,
            title=" / ".join(options),
            options=options,
            price=price,
            position=len(product.variants) + 1,
            **{**values, **more},  # type: ignore[arg-type]
        )
        product.variants.append(made)
        return made

    def picture(self, product: Product, url: str, alt: str | None) -> Picture:
        for known in product.pictures:
            if known.url == url:
                return known
        self.pictures += 1
        made = Picture(self.pictures, url, alt, len(product.pictures) + 1)
        product.pictures.append(made)
        return made


def from_csv_folder(folder: Path, builder: Builder) -> Iterator[Product]:
    for file in sorted(folder.glob("*.csv")):
        with file.open(newline="", encoding="utf-8-sig") as lines:
            yield from from_rows(csv.DictReader(lines), builder)


def from_rows(rows: Iterable[Mapping[str, str]], builder: Builder) -> Iterator[Product]:
    """Rows with the same handle belong together; only the first has a title, any may have a variant or an image."""
    product: Product | None = None
    handle = ""
    for row in rows:
        if product is None or row["Handle"] != handle:
            if product is not None:
                yield product
            handle, product = row["Handle"], _first_row(row, builder)
        _continued(row, product, builder)
    if product is not None:
        yield product


def _first_row(row: Mapping[str, str], builder: Builder) -> Product:
    names = tuple(row[f"Option{n} Name"] for n in (1, 2, 3) if row.get(f"Option{n} Name"))
    tags = tuple(tag.strip() for tag in (row.get("Tags") or "").split(",") if tag.strip())
    published = (row.get("Published") or "").lower() == "true"
    return builder.product(
        handle=row["Handle"],
        title=row["Title"],
        html=row.get("Body (HTML)") or "",
        vendor=row.get("Vendor") or "",
        kind=row.get("Type") or "",
        tags=tags,
        published=OPENED if published else None,
        option_names=names or ("Title",),
        gift_card=(row.get("Gift Card") or "").lower() == "true",
    )


def _continued(row: Mapping[str, str], product: Product, builder: Builder) -> None:
    if row.get("Image Src"):
        builder.picture(product, row["Image Src"], row.get("Image Alt Text") or None)
    if not row.get("Variant Price"):
        return
    own = row.get("Variant Image")
    builder.variant(
        product,
        options=tuple(row[f"Option{n} Value"] for n in (1, 2, 3) if row.get(f"Option{n} Value")) or ("Default Title",),
        price=_cents(row["Variant Price"]),
        compare_at=_cents(row["Variant Compare At Price"]) if row.get("Variant Compare At Price") else None,
        sku=row.get("Variant SKU") or None,
        barcode=row.get("Variant Barcode") or None,
        stock=int(float(row.get("Variant Inventory Qty") or 0)),
        tracked=bool(row.get("Variant Inventory Tracker")),
        policy=(row.get("Variant Inventory Policy") or "deny").upper(),
        grams=int(float(row.get("Variant Grams") or 0)),
        picture=builder.picture(product, own, None) if own else None,
    )


def invented(count: int, seed: int, builder: Builder) -> Iterator[Product]:
    """In every ten: a draft, an archived and an unlisted one, one unpublished, one without a picture, one sold out."""
    for number in range(1, count + 1):
        dice = Random(f"product {seed} {number}")  # noqa: S311 - invented goods, nothing secret
        title = f"{dice.choice(_ADJECTIVES)} {dice.choice(_THINGS)} {number}"
        case = number % 10
        product = builder.product(
            handle=title.lower().replace(" ", "-").replace("è", "e"),
            title=title,
            html=f"<p>{title}, <b>invented</b> &amp; never sold.</p>" if case != 1 else "",
            vendor=dice.choice(("Pinewood", "Acme", "")),
            kind=dice.choice(("Home", "Clothing", "")),
            tags=("new",) if case < 3 else (),
            status={2: "DRAFT", 3: "ARCHIVED", 4: "UNLISTED"}.get(case, "ACTIVE"),
            published=None if case in (2, 5) else OPENED,
            option_names=("Size",),
        )
        if case != 6:
            builder.picture(product, f"https://cdn.example.com/files/{product.handle}.jpg?v=1", title)
        sizes = [f"No. {n}" for n in range(1, MANY_VARIANTS + 1)] if number == 11 else ["Small", "Large"]
        for position, size in enumerate(sizes):
            builder.variant(
                product,
                options=(size,),
                price=500 + dice.randrange(9500),
                sku=f"SKU-{number}-{position}" if case != 8 else None,
                stock=0 if case == 7 else dice.randrange(1, 50),
                tracked=case != 9,
                policy="CONTINUE" if case == 0 else "DENY",
            )
        yield product


def _cents(text: str) -> int:
    return int((Decimal(text) * 100).to_integral_value())
