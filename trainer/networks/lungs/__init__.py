"""Networks that see the lungs alone: the guide, which finds them, and what stands behind it."""
