"""The container specification as checks of any image."""
