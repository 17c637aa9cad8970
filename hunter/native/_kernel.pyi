"""The extension module's names, as Python sees them."""
