"""Programs for machines with a GPU."""
