"""Value types shared by every room: arrays with their geometry, labels, prompts, frames, errors."""
