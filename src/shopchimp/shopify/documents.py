"""Every GraphQL text the product sends. Tests check each against the whole Admin schema of `API_VERSION`."""

from __future__ import annotations

SHOP_INFO = """\
query ShopInfo {
  shop { id name email myshopifyDomain currencyCode ianaTimezone plan { publicDisplayName } }
  currentAppInstallation { id accessScopes { handle } app { handle } }
}
"""

BULK_RUN_QUERY = """\
mutation BulkOperationRunQuery($query: String!) {
  bulkOperationRunQuery(query: $query) {
    bulkOperation { id status }
    userErrors { field message code }
  }
}
"""

BULK_BY_ID = """\
query BulkOperationById($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount fileSize url partialDataUrl }
}
"""

# The text handed to BulkOperationRunQuery: edges and node only, an id on the parent, no variables.
CUSTOMERS_IN_BULK = """\
query BulkCustomers {
  customers {
    edges {
      node {
        id
        firstName
        lastName
        defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }
        defaultPhoneNumber { phoneNumber }
        defaultAddress { address1 address2 city province provinceCode countryCodeV2 zip phone company }
      }
    }
  }
}
"""

# For the look right before consent is written: who changed since the bulk operation was started.
CUSTOMERS_CHANGED = """\
query CustomersChanged($query: String!, $after: String) {
  customers(first: 250, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { id updatedAt defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

_CONSENT = "id defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }"


def read_consents(count: int) -> str:
    """One document that reads the e-mail consent of `count` customers; aliases c0.. and variables $i0.. in order."""
    variables = ", ".join(f"$i{n}: ID!" for n in range(count))
    fields = "\n".join(f"  c{n}: customer(id: $i{n}) {{ {_CONSENT} }}" for n in range(count))
    return f"query CustomerConsents({variables}) {{\n{fields}\n}}\n"


def write_consents(count: int) -> str:
    """One document that sets the e-mail consent of `count` customers; aliases c0.. and variables $i0.. in order."""
    kind = "CustomerEmailMarketingConsentUpdateInput!"
    variables = ", ".join(f"$i{n}: {kind}" for n in range(count))
    body = f"{{ customer {{ {_CONSENT} }} userErrors {{ field message code }} }}"
    fields = "\n".join(f"  c{n}: customerEmailMarketingConsentUpdate(input: $i{n}) {body}" for n in range(count))
    return f"mutation CustomerEmailMarketingConsentUpdates({variables}) {{\n{fields}\n}}\n"
