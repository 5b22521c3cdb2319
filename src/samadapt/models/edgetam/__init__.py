"""EdgeTAM: SAM 2's decoder over RepViT, a small convolutional encoder, and a memory that a perceiver makes small."""
