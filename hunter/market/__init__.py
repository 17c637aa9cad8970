"""What is traded: instruments and sides. Knows no exchange and no process."""
