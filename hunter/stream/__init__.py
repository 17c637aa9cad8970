"""The stream process: sockets in, ring rows out.

    worker.py      blocking calls (name look-ups, REST) on helper threads
    rest_client.py one REST request
    connection.py  one WebSocket without asyncio: connect, TLS, handshake, frames
    reconnect.py   when to try again
    link.py        connection + session + reconnect: one WebSocket over all its lives
    feed.py        one instrument: decoded payloads in, ring rows out
    backfill.py    what a trade chain misses -> which REST request is next
    actor.py       the duty cycle that joins them

Path of a frame: connection -> link (session) -> actor -> feed -> ring writer.
"""
