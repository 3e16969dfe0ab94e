"""Sample events: how each ends, and what makes them good for the settings in force."""
