"""A reader of a measured ring: follows the trades of one instrument until it is killed.

python -m hunter.bench.follower CONFIG
"""

from __future__ import annotations

import os
import sys

import hunter
from hunter import clock

LOOK_EVERY_S = 0.001


def follow(config_file: str) -> None:
    """Copy what is new a thousand times a second. Ends with the process that started it."""
    parent = os.getppid()
    with hunter.attach(config_file) as instance:
        lane = instance.trades(instance.instruments[0])
        seen = lane.sequence
        while os.getppid() == parent:
            now = lane.sequence
            if now != seen:
                lane.last(now - seen)
                seen = now
            clock.sleep_s(LOOK_EVERY_S)


if __name__ == "__main__":
    follow(sys.argv[1])
