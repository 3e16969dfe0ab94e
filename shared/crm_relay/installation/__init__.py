"""What a function or command reaches outside itself, built from its settings; only functions and cli know this room."""
