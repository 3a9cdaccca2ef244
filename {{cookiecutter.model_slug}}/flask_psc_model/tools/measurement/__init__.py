"""What a model needs: its time and its memory, measured on the example cases."""
