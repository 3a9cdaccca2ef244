"""The page for people who look: the model's card, and a place to try the model."""
