"""What is bought by asking a network for the right reasons."""
