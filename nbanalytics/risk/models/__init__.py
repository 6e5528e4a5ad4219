"""The ladder of models, from a base rate to boosting."""
