"""The documents about metafields and campaigns' figures, against Shopify's whole schema and the sandbox's cut of it."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, parse, validate

from shopchimp.sandbox.shopify.schema import schema as pruned_schema
from shopchimp.shopify import engagement_documents as documents

TEXTS = {name: words for name, words in vars(documents).items() if name.isupper() and isinstance(words, str)}


@pytest.mark.parametrize("name", TEXTS)
def test_document_is_valid(whole_schema: GraphQLSchema, name: str) -> None:
    document = parse(TEXTS[name])
    assert validate(whole_schema, document) == []
    assert validate(pruned_schema(), document) == []
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert operation.name is not None


def test_all_are_found() -> None:
    assert len(TEXTS) == 6
