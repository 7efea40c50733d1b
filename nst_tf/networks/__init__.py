"""Networks that stylise in one pass, on the same features and the same objective as the optimisation."""
