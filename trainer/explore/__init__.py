"""A look at a folder of films before anything is trained on it: what is there, and what a network could cheat with."""
