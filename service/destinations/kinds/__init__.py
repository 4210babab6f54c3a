"""The kinds of destinations: one module for each, and the table of all."""
