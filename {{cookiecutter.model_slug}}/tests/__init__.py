"""Tests of the model and its app."""
