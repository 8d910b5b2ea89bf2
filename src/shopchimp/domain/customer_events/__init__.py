"""What customers do in the store and contacts do with a message: rules of both directions, pure (S39 to S59).

From the store: a pixel's `beacon` is read, admitted or refused, given a person (`identity`), put together with others
of its kind (`coalescing`) and spelt for Mailchimp (`member_events`). To the store: `activity` is read from Mailchimp's
reports, and the eleven `metafields` of a customer follow from it.
"""
