"""Connected mailboxes: replies and new mail of watched labels in, pitches out."""
