"""The audit log: who asked what, when, of which film, answered by which network; a chain of hashes in a file."""
