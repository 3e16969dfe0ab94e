"""E-mails, what people do with them, and the statistics of it."""
