"""Images with labels, prepared once: windows, recipes, splits by patient, and the store on disk."""
