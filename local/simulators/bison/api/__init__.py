"""The calls that the instance answers, and the JSON forms of its answers."""
