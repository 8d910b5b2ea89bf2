"""The documents about customers' events: the pixel, metafields and campaigns; and that no document goes unchecked."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, parse, validate

from shopchimp import shopify
from shopchimp.sandbox.shopify.cost import bill_for
from shopchimp.sandbox.shopify.schema import schema as pruned_schema
from shopchimp.shopify import engagement_documents, pixels

DOCUMENTS = {
    **{f"pixels.{name}": text for name, text in pixels.DOCUMENTS.items()},
    **{name: text for name, text in vars(engagement_documents).items() if name.isupper()},
}
OPERATION = re.compile(r"\s*(query|mutation)\b[^{]*\{")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid(whole_schema: GraphQLSchema, name: str) -> None:
    document = parse(DOCUMENTS[name])
    assert validate(whole_schema, document) == []
    assert validate(pruned_schema(), document) == []
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert operation.name is not None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_call_is_not_too_dear(name: str) -> None:
    """A single query above 1,000 points is refused whatever the bucket holds."""
    document = parse(DOCUMENTS[name])
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert bill_for(pruned_schema(), operation, {}).requested({}) <= 500


def every_document() -> Iterator[tuple[str, str]]:
    """Texts of any module below `shopchimp.shopify` that begin as a GraphQL operation does."""
    for found in pkgutil.iter_modules(shopify.__path__):
        module = importlib.import_module(f"{shopify.__name__}.{found.name}")
        for name, value in vars(module).items():
            texts = value.items() if isinstance(value, dict) else [("", value)]
            for key, text in texts:
                if isinstance(text, str) and OPERATION.match(text):
                    yield f"{found.name}.{name}{f'[{key}]' if key else ''}", text


def test_no_document_goes_unchecked(whole_schema: GraphQLSchema) -> None:
    """Wherever one is added: it is valid, and has the name that the sandbox and the logs call it by."""
    found = dict(every_document())
    assert {"pixels.CREATE", "pixels.DOCUMENTS[CREATE]", "engagement_documents.METAFIELDS_SET"} <= found.keys()
    assert "commerce_documents.ORDERS_BY_ID" in found
    for name, text in found.items():
        document = parse(text)
        assert validate(whole_schema, document) == [], name
        operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
        assert [each.name is not None for each in operations] == [True], name
