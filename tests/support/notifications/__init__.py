"""What tests of notifications share."""
