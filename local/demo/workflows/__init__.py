"""The act about workflows, and their definitions."""
