"""The stream process: sockets in, ring rows out.

    actor.py       the duty cycle, and which of two roles it plays
    writing.py     the role of the lease's holder: rows into the ring, holes refilled
    standby.py     the role in waiting: keeps what it needs to go on at once
    parts.py       what both roles work with
    link.py        connection + session + reconnect: one WebSocket over all its lives
    connection.py  one connection without asyncio: connect, TLS, handshake, frames
    reconnect.py   when to try again
    budget.py      connections a second, over all processes of the host
    handover.py    the next connection before the announced end of this one
    probe.py       is a silent connection dead, or does the market rest?
    feed.py        one instrument: decoded payloads in, ring rows out
    positions.py   where a run ended, for the next one after an orderly stop
    backfill.py    what a trade chain misses -> which REST request is next
    rest_client.py one REST request
    worker.py      blocking calls (name look-ups, REST) on helper threads

Path of a frame: connection -> link (session) -> writing -> feed -> ring writer.
"""
