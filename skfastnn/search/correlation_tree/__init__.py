"""The engine "correlation_tree": bounds on inner products with references that are refreshed when it pays."""
