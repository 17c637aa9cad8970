"""The exchange look-alike: OKX v5 public WebSocket and REST on loopback.

    market.py, publicdata.py --\\                       /-- websocket_client.py -- protocol.py
    (synthetic)                >-- pushes -- exchange --
    recording.py (replay)   --/       |               \\-- rest.py, rest_control.py
                                      +-- state.py (what is known now), ledger.py (what was true)

Faults: faults.py has the table; tampering.py and outlet.py do it to frames, market_faults.py to
markets and listings; driver.py fires scripts (script.py) and storms (storm.py).

Used by `hunter sim`, `--demo`, tests, benchmarks and `hunter replay`. Imports nothing of the client
side (hunter.exchange, hunter.stream), so that a misreading of the protocol there cannot hide here.
Entry: `serve.serve(options, ready, stop)` and `serve.run(options)`.
"""
