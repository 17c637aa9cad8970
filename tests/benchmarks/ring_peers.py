"""Records of 64 bytes from one process to another by what others use for that. Run by bench_ring.py
with the Python of the peers' own environment; imports nothing of hunter.

    python tests/benchmarks/ring_peers.py PEER ROWS_PER_MESSAGE ROWS

Prints one line of JSON: seconds from the first record received to the last and how many never came,
or why there are none.
In batches, whatever has no batches of its own gets one message that holds them all.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

ROW_BYTES = 64
ROW = bytes(range(ROW_BYTES))
# A function that sends one message, and one that returns how many bytes have come.
Ends = tuple[Callable[[], Callable[[], Any]], Callable[[], Callable[[], int]]]


def queue(rows_per_message: int) -> Ends:
    shared: Any = multiprocessing.get_context("fork").Queue(10_000)
    message = ROW * rows_per_message

    def sender() -> Callable[[], Any]:
        return lambda: shared.put(message)

    return sender, lambda: lambda: len(shared.get())


def fifo(rows_per_message: int) -> Ends:
    import faster_fifo

    shared = faster_fifo.Queue(max_size_bytes=8 << 20, loads=bytes, dumps=bytes)
    message = [ROW] * rows_per_message

    def sender() -> Callable[[], Any]:
        if rows_per_message == 1:
            return lambda: shared.put(ROW, timeout=30)
        return lambda: shared.put_many(message, timeout=30)

    def receiver() -> Callable[[], int]:
        return lambda: sum(map(len, shared.get_many(timeout=30, max_messages_to_get=1024)))

    return sender, receiver


def iceoryx(rows_per_message: int) -> Ends:
    import iceoryx2

    size = ROW_BYTES * rows_per_message
    message = ROW * rows_per_message
    name = f"bench ring {os.getpid()}"

    def service() -> Any:
        iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
        node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        kind = iceoryx2.Slice[ctypes.c_uint8]
        builder = node.service_builder(iceoryx2.ServiceName.new(name)).publish_subscribe(kind)
        builder = builder.enable_safe_overflow(False).subscriber_max_buffer_size(1024)
        return node, builder.open_or_create()

    def sender() -> Callable[[], Any]:
        node, opened = service()
        builder = opened.publisher_builder().initial_max_slice_len(size)
        publisher = builder.backpressure_strategy(
            iceoryx2.BackpressureStrategy.RetryUntilDelivered
        ).create()

        def send(keep: Any = node) -> None:
            sample = publisher.loan_slice_uninit(size)
            ctypes.memmove(sample.payload_ptr, message, size)
            sample.assume_init().send()

        while not opened.dynamic_config.number_of_subscribers:
            time.sleep(0.001)
        return send

    def receiver() -> Callable[[], int]:
        node, opened = service()
        subscriber = opened.subscriber_builder().buffer_size(1024).create()

        def receive(keep: Any = node) -> int:
            patience = 1_000_000  # seconds of spinning: then nothing more will come
            while (sample := subscriber.receive()) is None:
                patience -= 1
                if not patience:
                    return 0
            return len(bytes(sample.payload().as_memory_view()))

        return receive

    return sender, receiver


def zeromq(rows_per_message: int) -> Ends:
    import zmq

    folder = tempfile.mkdtemp(prefix="hunter-bench-")
    atexit.register(shutil.rmtree, folder)
    address = f"ipc://{folder}/socket"
    message = ROW * rows_per_message

    def sender() -> Callable[[], Any]:
        socket = zmq.Context().socket(zmq.PUSH)
        socket.connect(address)
        return lambda: socket.send(message)

    def receiver() -> Callable[[], int]:
        socket = zmq.Context().socket(zmq.PULL)
        socket.bind(address)
        return lambda: len(socket.recv())

    return sender, receiver


PEERS: dict[str, Callable[[int], Ends]] = {
    "multiprocessing.Queue": queue,
    "faster-fifo": fifo,
    "iceoryx2": iceoryx,
    "pyzmq": zeromq,
}


def send_all(sender: Callable[[], Callable[[], Any]], message_count: int) -> None:
    send = sender()
    for _ in range(message_count):
        send()
    time.sleep(60)  # what has been sent may go with us; the reader ends us


def measure(ends: Ends, rows_per_message: int, row_count: int) -> dict[str, Any]:
    sender, receiver = ends
    message_count = row_count // rows_per_message
    writer = multiprocessing.get_context("fork").Process(
        target=send_all, args=(sender, message_count), daemon=True
    )
    writer.start()
    try:
        receive = receiver()
        left = message_count * rows_per_message * ROW_BYTES
        left -= receive()
        began = ended = time.perf_counter()
        while left > 0 and (came := receive()):
            left -= came
            ended = time.perf_counter()
        return {"seconds": ended - began, "lost_rows": left // ROW_BYTES}
    finally:
        writer.kill()
        writer.join()


def main() -> int:
    name, rows_per_message, row_count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        ends = PEERS[name](rows_per_message)
        found = measure(ends, rows_per_message, row_count)
    except ImportError as error:
        found = {"missing": str(error)}
    print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
