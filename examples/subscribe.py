"""Signals as the brain tells them, by pyzmq and nothing of hunter: subscribe.py RUNTIME_DIR

RUNTIME_DIR is [hunter] runtime_dir of the configuration (`hunter config show`). A frame is the
instrument, a blank, and the signal as `hunter signals --json` prints it. These are copies: a socket
drops what a slow reader does not take, and what is told while nobody listens. The journal, which
`hunter signals` reads, has them all.
"""

import json
import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.subscribe(b"BTC-")  # by the beginning of the instrument; b"" is all of them
socket.connect(f"ipc://{sys.argv[1]}/signals.ipc")  # also before the start, and across restarts
while True:
    instrument, _, text = socket.recv().partition(b" ")
    signal = json.loads(text)
    print(instrument.decode(), signal["direction"], signal["probability_up"], flush=True)
