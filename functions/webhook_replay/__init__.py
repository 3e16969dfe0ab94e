"""Applies deliveries that were kept while the database was away; writes poison into failed_tasks."""
