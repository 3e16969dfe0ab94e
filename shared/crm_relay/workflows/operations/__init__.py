"""What an operator does with workflows and their runs, and what keeps their tables in order."""
