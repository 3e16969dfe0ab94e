"""What a workflow is: read from a definition, proven, published, and listened for."""
