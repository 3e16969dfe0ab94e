"""Connections as an operator sees them: state, records, refusals, budget and how long a grant still lasts."""
