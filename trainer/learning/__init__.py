"""One network learns: the loop, batches, augmentation, losses, optimisers, strategies, checkpoints; knows no run."""
