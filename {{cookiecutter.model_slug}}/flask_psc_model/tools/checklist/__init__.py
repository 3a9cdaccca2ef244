"""The checklist of a model's repository: what is left to do, and where."""
