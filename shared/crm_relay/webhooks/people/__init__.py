"""What kept deliveries say of one person: found for `why`, cut out for an erasure."""
