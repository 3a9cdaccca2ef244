"""The minimal checklist of a model's repository, ticked by looking."""
