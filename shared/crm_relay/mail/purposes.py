"""What messages are for: mail of one purpose never waits for that of another."""

CAMPAIGN = "campaign"
"""Its mail counts under the limit per minute, and the emergency brake holds it."""

STOPPED_PURPOSES = (CAMPAIGN,)
"""What the emergency brake holds. Mail to colleagues has another purpose and leaves: they need it most then."""
