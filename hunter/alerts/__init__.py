"""Tells people of troubles, and that they are over: an actor that looks on."""
