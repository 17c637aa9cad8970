"""The exchange look-alike: OKX v5 public WebSocket and REST on loopback.

    market.py (synthetic)  --\\                       /-- connection.py (one client) -- protocol.py
                              >-- pushes -- exchange --
    replay.py (recordings) --/       |               \\-- rest.py
                                     +-- state.py (what is known now), ledger.py (what was true)

Used by `hunter sim`, `--demo`, tests, benchmarks and `hunter replay`. Imports nothing of the client
side (hunter.exchange, hunter.stream), so that a misreading of the protocol there cannot hide here.
Entry: `serve.serve(options, ready, stop)` and `serve.run(options)`.
"""
