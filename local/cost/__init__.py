"""What a deployment costs, from the template, dated prices and measured figures."""
