"""Takes who left an audience of Mailchimp into the ledger of consent, and brings the sync of its connection forward.

The token in the path says whose connection it is. Mailchimp's look at the address, a GET, is answered as well.

Use cases: webhooks/receive.py, connections/audiences/deliveries.py
Writes: webhook_inbox, consent_events, contact_opt_outs, customer_profiles, integration_connections
"""
