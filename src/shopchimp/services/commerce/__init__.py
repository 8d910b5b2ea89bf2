"""Products, customers, orders, carts and promo codes: one way, from Shopify into the shop's store at Mailchimp."""
