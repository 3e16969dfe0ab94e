"""What `sam local invoke` needs of a running stack."""
