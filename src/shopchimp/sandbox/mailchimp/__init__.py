"""The Mailchimp half of the sandbox: contracts/mailchimp and reference/mailchimp.md as a stateful server."""

from shopchimp.sandbox.mailchimp.app import MailchimpSandbox

__all__ = ["MailchimpSandbox"]
