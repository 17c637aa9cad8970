"""What is decided and what is told: Decision, Signal, the rule between them, the journal."""
