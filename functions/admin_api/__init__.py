"""The admin API, and the page on which an operator sees and does the same."""
