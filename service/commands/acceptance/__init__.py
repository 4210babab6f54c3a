"""Commands by which a hospital tests a bundle on its own films, and chooses its own operating point."""
