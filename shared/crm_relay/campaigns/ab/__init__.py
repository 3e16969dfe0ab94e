"""A/B tests of the variants of a step."""
