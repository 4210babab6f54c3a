"""The figures of a bundle's model card, found again through the real HTTP service."""
