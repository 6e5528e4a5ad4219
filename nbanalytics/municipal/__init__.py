"""The files that municipalities have: one module for each format, and what makes records of them."""
