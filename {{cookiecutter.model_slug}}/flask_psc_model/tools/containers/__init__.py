"""Containers of an image, and the folders that this machine shares with them."""
