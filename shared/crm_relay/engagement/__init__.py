"""What customers did with their mail, put back onto the customer: opens, clicks, unsubscribes and bounces."""
