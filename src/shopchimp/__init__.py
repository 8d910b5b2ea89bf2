"""shopchimp keeps a Shopify store and a Mailchimp audience the same, in both directions."""
