"""Messages whose outcome is unknown: listed, and settled by an operator."""
