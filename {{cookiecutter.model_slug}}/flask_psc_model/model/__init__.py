"""The model: its interface, how it is loaded, and `model.yaml`, which describes it."""
