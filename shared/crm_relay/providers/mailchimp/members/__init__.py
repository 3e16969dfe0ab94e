"""Members of an audience: how they are read, mapped and written."""
