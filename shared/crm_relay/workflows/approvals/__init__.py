"""Steps that wait for people: who is asked in whose place, what they decide, and what follows when they do not."""
