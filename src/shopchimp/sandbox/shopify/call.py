"""What a resolver needs to know about the call it serves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop

DOCUMENTATION: Final = "https://shopify.dev/api/usage/access-scopes"


@dataclass(frozen=True, slots=True)
class Call:
    shop: "Shop"
    scopes: Collection[str]
    base_url: str  # of the sandbox itself: where result files are fetched

    def require(self, field: str, scope: str) -> None:
        """Writing implies reading (shopify.md sections 2.1 and 4.5)."""
        if scope in self.scopes or scope.replace("read_", "write_", 1) in self.scopes:
            return
        access = f"`{scope}` access scope."
        raise GraphQLError(
            f"Access denied for {field} field. Required access: {access}",
            extensions={"code": "ACCESS_DENIED", "documentation": DOCUMENTATION, "requiredAccess": access},
        )


Arguments = Mapping[str, Any]
