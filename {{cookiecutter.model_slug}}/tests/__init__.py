"""The tests of the model and of the app that serves it."""
