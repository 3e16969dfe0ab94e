"""Messages whose fate is known while their step could not be settled."""
