from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema


@pytest.fixture(scope="session")
def whole_schema(shared: Callable[[str], Path]) -> GraphQLSchema:
    """Shopify's whole Admin API of the version we call."""
    with gzip.open(shared("contracts/shopify/admin-2026-10.graphql.gz"), "rt") as file:
        return build_schema(file.read(), assume_valid=True)
