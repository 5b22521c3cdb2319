"""Everything in an image: a grid of points, filtered by quality, without duplicates."""
