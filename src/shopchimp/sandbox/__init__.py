"""A Shopify and a Mailchimp to run against on one machine. Started as a process of its own, imported by nobody."""
