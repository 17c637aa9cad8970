"""The extension module's names, as Python sees them."""

# ---- ring.c, crc32.c

def crc32(data: bytes | bytearray | memoryview, crc: int = 0, /) -> int: ...

class Lanes:
    def __new__(
        cls,
        view: memoryview,
        epoch: int,
        epoch_word: int,
        arrival_word: int,
        arrivals: list[int],
        places: list[tuple[int, int, int, int]],
    ) -> Lanes: ...
    def put(self, instrument: int, kind: int, facts: bytes, /) -> None: ...
    def publish(self) -> bool: ...
    def position(self, instrument: int, kind: int, /) -> int: ...
    def close(self) -> None: ...
