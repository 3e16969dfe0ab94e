"""One run in one direction, conflicts, and full resyncs."""
