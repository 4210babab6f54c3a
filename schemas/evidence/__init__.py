"""Records of what a hospital's own films say of a bundle."""
