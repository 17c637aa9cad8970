"""Foreign recordings of a market turned into recordings of hunter, one module a format.

    files --sources--> lines --okx_archive | binance--> market (OKX frames) --writing--> Segments

Everything is streamed: a day of order books does not fit into memory. What cannot be read is
counted with its reason, never guessed. Called by `hunter import`.
"""
