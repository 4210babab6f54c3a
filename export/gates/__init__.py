"""Gates that a graph must pass before it is published: parity with PyTorch and agreement of reduced precisions."""
