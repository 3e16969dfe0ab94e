"""Puts opens, clicks, unsubscribes and bounces from Mautic onto the customer."""
