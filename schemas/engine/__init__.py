"""Records about how a network runs on a machine."""
