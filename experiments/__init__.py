"""Training runs at the scale of the papers, and their results for the pages to read."""
