"""SAM 2 and 2.1: Hiera encoder, decoder with high-resolution maps, and the memory that carries masks through frames."""
