"""OAuth starts and callbacks."""
