"""`schema/`: the schema as it is, written from the catalogue of an empty PostgreSQL that has the migrations."""
