"""The part of the admin API that is about connections."""
