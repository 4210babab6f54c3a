"""Asking for the right reasons: what a network learns from marks on films, in addition to their labels."""
