"""Products, their variants and pictures (shopify.md section 2.6). Prices are cents, times seconds since 1970."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

FIRST_PRODUCT: Final = 9_100_000_000_000
FIRST_VARIANT: Final = 47_000_000_000_000
FIRST_PICTURE: Final = 38_000_000_000_000
STATUSES: Final = ("ACTIVE", "ARCHIVED", "DRAFT", "UNLISTED")


@dataclass(slots=True, eq=False)
class Picture:
    number: int
    url: str
    alt: str | None
    position: int


@dataclass(slots=True, eq=False)
class Variant:
    graphql_type: ClassVar[str] = "ProductVariant"

    number: int
    product: "Product" = field(repr=False)
    title: str
    options: tuple[str, ...]
    sku: str | None
    barcode: str | None
    price: int
    compare_at: int | None
    stock: int
    tracked: bool
    policy: str  # DENY or CONTINUE
    picture: Picture | None
    grams: int
    position: int
    created: int
    updated: int

    @property
    def gid(self) -> str:
        return f"gid://shopify/ProductVariant/{self.number}"

    @property
    def display_name(self) -> str:
        return f"{self.product.title} - {self.title}"

    @property
    def for_sale(self) -> bool:
        return not self.tracked or self.policy == "CONTINUE" or self.stock > 0


@dataclass(slots=True, eq=False)
class Product:
    graphql_type: ClassVar[str] = "Product"

    number: int
    handle: str
    title: str
    html: str
    vendor: str
    kind: str
    tags: tuple[str, ...]
    status: str
    published: int | None
    option_names: tuple[str, ...]
    gift_card: bool
    created: int
    updated: int
    variants: list[Variant] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    deleted: bool = False

    @property
    def gid(self) -> str:
        return f"gid://shopify/Product/{self.number}"

    @property
    def stock(self) -> int:
        return sum(each.stock for each in self.variants if each.tracked)

    def picture_of(self, variant: Variant) -> Picture | None:
        return variant.picture or (self.pictures[0] if self.pictures else None)
