"""The expected files of the test cases, written from what the model does."""
