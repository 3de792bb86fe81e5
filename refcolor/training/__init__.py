"""The training loop and what it needs: batches, augmentation, losses, checkpoints."""
