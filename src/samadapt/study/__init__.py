"""Measuring: prompts drawn once, predictions, per-case rows, summaries with intervals."""
