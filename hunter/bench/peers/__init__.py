"""Other libraries on the same load: `client.py` runs in each one's own environment."""
