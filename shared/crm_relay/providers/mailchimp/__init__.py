"""Mailchimp: the people of one audience, both ways, and who may be written to."""

API_URL = "https://api.mailchimp.com"
"""Stands for the address of a data centre, which every account has its own of."""

LOGIN_URL = "https://login.mailchimp.com"
