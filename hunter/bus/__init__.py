"""ZeroMQ between the processes of one host: wake-ups, commands, copies of signals.

A PUB socket drops silently, so nothing that must not be lost depends on this package: trades are in
the ring, signals in the journal, and every wait for a wake-up has a time-out.
"""
