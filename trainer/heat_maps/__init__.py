"""Heat maps of trained networks: drawing them and measuring how faithful they are."""
