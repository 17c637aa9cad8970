"""How good a brain is, measured on recordings: what would have been in the ring, put to a brain row
by row, and what the brain then said held against what the market then did.

Called by the command line; nothing of it runs in a running instance.
"""
