"""The routes of single views of the operator's page."""
