"""Programs that print the tables of BUILD_NOTES.md."""
