"""The container specification as checks of an image, whatever is in it."""
