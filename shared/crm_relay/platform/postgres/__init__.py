"""What goes to PostgreSQL as text, and what comes back over one connection."""
