"""What is learnt from the features: experts, their mixture, drift, and when to be silent."""
