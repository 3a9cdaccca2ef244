"""A model of one's own in the place of the template's example."""
