"""HTTP out to addresses that users configure: public ones alone, and bounded in time and size."""
