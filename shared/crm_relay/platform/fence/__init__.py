"""The clone fence, by which a copy of a database stays silent."""
