"""A site that accepts the shipped bundle, one that rejects it and chooses its own operating point, and a stream."""
