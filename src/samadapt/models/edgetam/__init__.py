"""EdgeTAM: SAM 2's decoder over RepViT, a small convolutional encoder, for single images."""
