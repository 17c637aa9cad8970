"""OKX v5 public market data, as a protocol without I/O.

    frames -> session -> Data events -> parse -> rows -> order book / trade chain -> the caller

    endpoints    hosts, limits, what each channel is like
    plan         which subscriptions go over which connection
    requests     subscribe, unsubscribe and ping frames
    states       what a session and a subscription may be, and the tables of what follows
    asks         which subscription is to be asked for next, and when
    session      one connection: frames in, events and frames out
    messages     payloads as sent
    rows         payloads as the rest of hunter sees them: numbers, nanoseconds
    parse        trades, tickers and books -> rows, or MalformedMessage
    parse_public the same for the other channels
    orderbook    one instrument's book and its chain of sequence ids
    crosscheck   that book against the best levels of other channels
    tradechain   one instrument's matches: each once, in order, or counted as lost
    rest         request paths and answers for bootstrap and backfill
    catalog      what the exchange lists, and near misses of what it does not

Time is an argument everywhere (`now_ns`, monotonic). Nothing here raises because the exchange
misbehaves, except `MalformedMessage` and the errors of `rest`; everything else is an outcome.
"""
