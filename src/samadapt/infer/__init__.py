"""Answers from models: one image with prompts, volumes slice by slice, prompt-free segmentation."""
