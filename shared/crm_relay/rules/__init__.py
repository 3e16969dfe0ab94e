"""What several rooms decide by: conditions, templates, send windows; pure."""
