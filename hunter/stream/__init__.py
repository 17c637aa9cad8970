"""The stream process: sockets in, ring rows out.

    actor.py       the duty cycle, and which of two roles it plays
    writing.py     the role of the lease's holder: rows into the ring, holes refilled
    standby.py     the role in waiting: keeps what it needs to go on at once
    parts.py       what both roles work with

    line.py        one socket of the plan: its link, its successor, the doubt about its silence
    link.py        connection + session + reconnect: one WebSocket over all its lives
    linkmaker.py   makes them: shared look-ups and limits
    connection.py  one connection without asyncio: connect, TLS, handshake, frames
    phases.py      what it may be, and why it may have ended
    frames.py      bytes as they come, and the plain frames in them
    reconnect.py   when to try again
    handover.py    the next connection before the announced end of this one
    probe.py       is a silent connection dead, or does the market rest?
    resolver.py    host names to addresses, and the last good ones
    proxy.py       which proxy, and the words it wants
    tls.py         what a server must show before it is believed

    feed.py        one instrument: decoded payloads in, ring rows out
    tradefeed.py   its matches, through the chain
    bookfeed.py    its book, and what contradicts it
    publicfeed.py  its marks, funding, candles ...
    counters.py    what is counted of one channel of it
    bulletins.py   channels that are about more than one instrument
    listings.py    what the exchange lists, and what of ours it does not
    positions.py   where a run ended, for the next one after an orderly stop

    backfill.py    what a trade chain misses -> which REST request is next
    seeds.py       books from REST for those whose snapshot did not come
    rest_queue.py  requests wait here for the exchange's limits
    rest_client.py one REST request
    limits.py      token buckets, shared by all processes of the host
    worker.py      blocking calls (name look-ups, REST) on helper threads

Path of a frame: connection -> link (session) -> line -> writing -> feed -> ring writer.
"""
