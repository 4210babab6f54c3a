"""The network of adults: its films, and what it is worth."""
