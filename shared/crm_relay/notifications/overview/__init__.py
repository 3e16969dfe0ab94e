"""What notifications wait for, were held for and failed at, by channel, and which ones."""
