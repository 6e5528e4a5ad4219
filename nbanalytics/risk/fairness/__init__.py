"""Error rates by group, and the value of a prediction."""
