"""The health of those as whom mail is sent."""
