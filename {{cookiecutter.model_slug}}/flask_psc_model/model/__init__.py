"""The model: its interface, how it is loaded, and what `model.yaml` says of it."""
