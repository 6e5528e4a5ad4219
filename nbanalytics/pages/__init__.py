"""Pages: what each shows, as a model in Python, and the scripts and styles that draw it in a browser."""
