"""The checkpoints that the paper's authors released, read as models of this library."""
