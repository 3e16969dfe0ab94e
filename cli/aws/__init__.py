"""Commands about what lies in AWS: secrets and dead letters."""
