"""Lambda function: customers and segments that changed go to Mautic."""
