"""SAM 3: the part that answers points, boxes and masks, and its memory, over a plain ViT with rotary positions."""
