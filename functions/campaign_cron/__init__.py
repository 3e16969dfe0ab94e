"""Does every step of every campaign that is due, and sends what they queue."""
