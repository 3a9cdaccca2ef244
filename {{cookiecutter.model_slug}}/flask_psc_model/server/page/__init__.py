"""The web page: the model card, and a form to run the model."""
