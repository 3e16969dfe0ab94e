"""What single views of the operator's page show beyond its overview."""
