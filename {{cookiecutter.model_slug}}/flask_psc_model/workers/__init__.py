"""The processes that hold the model, and the queue of jobs before them."""
