"""Text messages: queued in a ledger of their own, gated at the last moment, and sent one by one."""
