"""From ring rows to decisions: event time, features, model, user's brains, checkpoints."""
