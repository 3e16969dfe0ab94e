"""What a draft would have done with what happened: the engine's own decisions, without an effect."""
