"""Municipal files: one module for each format, and the conversion to records."""
