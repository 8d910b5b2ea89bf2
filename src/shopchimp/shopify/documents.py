"""Every GraphQL text the product sends. Tests check each against the whole Admin schema of `API_VERSION`."""

from __future__ import annotations

SHOP_INFO = """\
query ShopInfo {
  shop { id name email myshopifyDomain currencyCode ianaTimezone plan { publicDisplayName } }
  currentAppInstallation { id accessScopes { handle } app { handle } }
}
"""

BULK_RUN_QUERY = """\
mutation BulkOperationRunQuery($query: String!, $groupObjects: Boolean! = false) {
  bulkOperationRunQuery(query: $query, groupObjects: $groupObjects) {
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

_EMAIL = "defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }"
_PHONE = "defaultPhoneNumber { phoneNumber smsMarketingConsent { state optInLevel updatedAt } }"
_ADDRESS = "defaultAddress { address1 address2 city province provinceCode country countryCodeV2 zip phone company }"
_CUSTOMER = f"id updatedAt firstName lastName tags {_EMAIL} {_PHONE} {_ADDRESS}"  # all that live sync carries
_CONSENT = f"id {_EMAIL}"

# The text handed to BulkOperationRunQuery: edges and node only, an id on the parent, no variables.
CUSTOMERS_IN_BULK = f"""\
query BulkCustomers {{
  customers {{
    edges {{
      node {{
        id
        firstName
        lastName
        tags
        {_EMAIL}
        {_PHONE}
        {_ADDRESS}
      }}
    }}
  }}
}}
"""

# Who changed since a moment: for the look right before consent is written, and for the sweeps of live sync.
CUSTOMERS_CHANGED = f"""\
query CustomersChanged($query: String!, $after: String) {{
  customers(first: 250, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ {_CUSTOMER} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""

# A customer who is gone is null in its place.
CUSTOMERS_BY_ID = f"""\
query CustomersById($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Customer {{ {_CUSTOMER} }} }}
}}
"""

SAMPLE_CUSTOMER = f"""\
query SampleCustomer {{
  customers(first: 20, sortKey: UPDATED_AT, reverse: true) {{ nodes {{ {_CUSTOMER} }} }}
}}
"""

CUSTOMER_UPDATE = """\
mutation CustomerUpdate($input: CustomerInput!) {
  customerUpdate(input: $input) { customer { id } userErrors { field message } }
}
"""

CUSTOMER_CREATE = """\
mutation CustomerCreate($input: CustomerInput!) {
  customerCreate(input: $input) { customer { id } userErrors { field message } }
}
"""

CUSTOMER_SMS_CONSENT = """\
mutation CustomerSmsMarketingConsentUpdate($input: CustomerSmsMarketingConsentUpdateInput!) {
  customerSmsMarketingConsentUpdate(input: $input) { customer { id } userErrors { field message code } }
}
"""


def find_by_email(count: int) -> str:
    """One document that finds `count` customers by address; aliases c0.. and variables $e0.. in order."""
    variables = ", ".join(f"$e{n}: String!" for n in range(count))
    fields = "\n".join(
        f"  c{n}: customerByIdentifier(identifier: {{ emailAddress: $e{n} }}) {{ {_CUSTOMER} }}" for n in range(count)
    )
    return f"query CustomersByEmail({variables}) {{\n{fields}\n}}\n"


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


def update_customers(count: int) -> str:
    """One document that sets fields of `count` customers; aliases c0.. and variables $i0.. in order."""
    variables = ", ".join(f"$i{n}: CustomerInput!" for n in range(count))
    body = "{ customer { id } userErrors { field message } }"
    fields = "\n".join(f"  c{n}: customerUpdate(input: $i{n}) {body}" for n in range(count))
    return f"mutation CustomerUpdates({variables}) {{\n{fields}\n}}\n"
