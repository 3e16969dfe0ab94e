"""From what is due to what has left: decide again, gather, hand over to the ledgers, and hear what became of it."""
