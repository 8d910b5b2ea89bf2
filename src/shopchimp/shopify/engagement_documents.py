"""The GraphQL texts about what customers make of messages: their metafields, and the figures of campaigns."""

from __future__ import annotations

CUSTOMER_DEFINITIONS = """\
query CustomerMetafieldDefinitions($namespace: String!) {
  metafieldDefinitions(first: 50, ownerType: CUSTOMER, namespace: $namespace) { nodes { id key type { name } } }
}
"""

DEFINITION_CREATE = """\
mutation MetafieldDefinitionCreate($definition: MetafieldDefinitionInput!) {
  metafieldDefinitionCreate(definition: $definition) {
    createdDefinition { id key }
    userErrors { field message code }
  }
}
"""

METAFIELDS_SET = """\
mutation MetafieldsSet($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) {
    metafields { id }
    userErrors { field message code elementIndex }
  }
}
"""

# Whose address it is by now, and whether they let their opens be followed. Who is gone is null in their place.
CUSTOMERS_TRACKING = """\
query CustomersTracking($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Customer { id defaultEmailAddress { emailAddress openTrackingLevel } } }
}
"""

ACTIVITY_UPSERT = """\
mutation MarketingActivityUpsertExternal($input: MarketingActivityUpsertExternalInput!) {
  marketingActivityUpsertExternal(input: $input) {
    marketingActivity { id }
    userErrors { field message code }
  }
}
"""

ENGAGEMENT_CREATE = """\
mutation MarketingEngagementCreate($remoteId: String!, $marketingEngagement: MarketingEngagementInput!) {
  marketingEngagementCreate(remoteId: $remoteId, marketingEngagement: $marketingEngagement) {
    marketingEngagement { occurredOn }
    userErrors { field message code }
  }
}
"""
