"""How workflows are going: lists, the timeline of a run, and why something did or did not start."""
