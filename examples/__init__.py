"""Programs to start from. They use the library as a reader would."""
