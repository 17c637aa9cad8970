"""Foreign code in the brain's process: brains and experts of others, and what they may cost."""
