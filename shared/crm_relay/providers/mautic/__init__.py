"""Mautic, as its version 5.1 behaves: contacts, segments and do-not-contact out, webhooks in."""
