"""The cache in DynamoDB: rows, and the digests by which both sides are compared."""
