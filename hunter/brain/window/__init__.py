"""What a market looks like now: rows to a vector of features, on event time."""
