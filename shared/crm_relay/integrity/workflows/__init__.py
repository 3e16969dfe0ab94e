"""What is checked of workflows."""
