"""Messages of which nobody knows whether they were sent: listed, and settled by an operator."""
