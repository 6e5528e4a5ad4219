"""How good a model is: measures with intervals, validation, explanations and the model card."""
