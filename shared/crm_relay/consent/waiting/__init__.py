"""Opt-outs that wait until it is known whose they are, or at which address."""
