"""Films on disk: indexing, reading, caching, splits by patient, leaks and duplicates; knows no network."""
