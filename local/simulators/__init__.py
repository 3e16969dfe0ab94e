"""Stand-ins for the outside services, held to recordings of the real ones by contract tests."""
