"""Airtable's endpoints: records, schema and OAuth."""
