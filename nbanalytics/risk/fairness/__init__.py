"""For whom a model errs, and what a prediction is worth."""
