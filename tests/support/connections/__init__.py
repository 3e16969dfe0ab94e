"""What tests of connections share: a contract kit, and a vendor and a connector to hold it to."""
