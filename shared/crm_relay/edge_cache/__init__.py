"""PostgreSQL and the DynamoDB cache at the edge, replicated both ways and provably equal."""
