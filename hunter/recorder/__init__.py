"""Records the market as it is received: raw frames with their receive times, in packed segments.

    OKX ==wss==> Receiver --blocks--> Backlog --blocks--> WriterThread --packed parts--> Segments

A process of its own with a connection of its own: it shares nothing with a running instance but the
host's budget of connects. `contents` and `playback` are the way back: what a recording holds, and
the configuration that plays it.
"""
