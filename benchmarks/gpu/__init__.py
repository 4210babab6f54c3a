"""What a GPU makes of a bundle."""
