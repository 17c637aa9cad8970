"""Makers of docs/reference: one module for each kind of thing that the code declares."""
