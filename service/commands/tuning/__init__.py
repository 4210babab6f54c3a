"""`python -m service tune`: which settings of the engine suit a bundle on this machine, by measurement."""
