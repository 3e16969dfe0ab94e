"""Starts a published workflow for records that are there already: previewed, page by page, each record once."""
