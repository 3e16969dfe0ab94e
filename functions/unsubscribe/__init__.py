"""The page behind a mail's link to unsubscribe, and the one click of mail programs."""
