"""Records of a stream on both sides: which is which, what changed where, and whether both are equal."""
