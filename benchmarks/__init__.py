"""Programs that print the tables of RESULTS.md."""
