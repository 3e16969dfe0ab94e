"""Text at rest: sealed by a data key, which a key service or a key file keeps encrypted."""
