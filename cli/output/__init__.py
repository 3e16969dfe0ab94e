"""What commands print: results as tables, lines or JSON, and errors in one line."""
