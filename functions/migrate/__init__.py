"""Applies the SQL migrations.

Invoke it after every deployment. With `{"dry_run": true}` it lists what is missing.

Use cases: platform/migrations.py
Writes: the schema; supabase_migrations.schema_migrations
"""
