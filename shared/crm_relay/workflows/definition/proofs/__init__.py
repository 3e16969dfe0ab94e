"""What has to be true of a program before it may run."""
