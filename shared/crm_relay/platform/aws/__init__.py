"""DynamoDB, SQS, S3 and SNS."""
