"""What connections forget after a while."""
