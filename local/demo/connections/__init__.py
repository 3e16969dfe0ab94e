"""The demo's act about connections."""
