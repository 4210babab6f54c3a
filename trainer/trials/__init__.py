"""One trial: an architecture with a seed and a fold, from its specification to its record; knows no other trial."""
