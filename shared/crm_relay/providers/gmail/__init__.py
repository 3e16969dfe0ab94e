"""Gmail: mail of watched labels in, drafts out; a connector of a workspace's account."""

API_URL = "https://gmail.googleapis.com"
ACCOUNTS_URL = "https://accounts.google.com"
OAUTH_URL = "https://oauth2.googleapis.com"
