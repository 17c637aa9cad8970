"""The whole simulator: listening, replays of recorded markets, restarts, a clean end."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes import tls
from fakes.running_simulator import SWAP, Running, ask, receive
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hunter.errors import ConfigError, HunterError
from hunter.simulator.options import Bounds, Checksum
from hunter.simulator.serve import listening_line
from hunter.simulator.state import legacy_checksum
from hunter.simulator.storm import Storm

Start = Callable[..., Running]


def frames_of(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        for line in file:
            yield line.rstrip("\n").partition(" ")[2]


def read_texts(client: Any, count: int) -> list[str]:
    texts: list[str] = []
    while len(texts) < count:
        text = client.recv(timeout=20)
        if '"event"' not in text[:40]:
            texts.append(text)
    return texts


CHANNELS = ("trades", "books", "bbo-tbt", "tickers")


def test_free_replay_gives_a_subscriber_every_frame_byte_for_byte(
    start: Start, captures: Path
) -> None:
    path = captures / "okx-framed-binance" / "BTC-USDT-SWAP.jsonl.gz"
    expected = list(frames_of(path))
    running = start(replay=(path,), speed=None)
    client = running.connect()
    ask(client, *CHANNELS)
    assert read_texts(client, len(expected)) == expected
    counts = running.get("/sim/counts")
    assert counts["source"]["state"] == "over"
    assert counts["source"]["frames"] == len(expected)
    client.send("ping")
    assert client.recv(timeout=5) == "pong"


def _last_trade_id(path: Path) -> int:
    trades = [frame for frame in frames_of(path) if '"channel":"trades"' in frame[:40]]
    return int(json.loads(trades[-1])["data"][0]["tradeId"])


def test_client_in_mid_replay_continues_and_fetches_the_rest_from_rest(
    start: Start, captures: Path
) -> None:
    path = captures / "okx-framed-binance" / "BTC-USDT.jsonl.gz"
    name = "BTC-USDT"
    running = start(replay=(path,), speed=None, bounds=Bounds(ledger_matches_max=10**6))
    first = running.connect()
    ask(first, *CHANNELS, inst_id=name)
    heard = [json.loads(text) for text in read_texts(first, 8_000)]
    second = running.connect()
    ask(second, *CHANNELS, inst_id=name)
    acks = receive(second, 4)
    assert all(ack["event"] == "subscribe" for ack in acks)
    first.close()
    initial = receive(second, 4)
    assert {frame["arg"]["channel"] for frame in initial} == set(CHANNELS)
    trade = next(frame for frame in initial if frame["arg"]["channel"] == "trades")["data"][0]
    book = next(frame for frame in initial if frame["arg"]["channel"] == "books")
    assert book["action"] == "snapshot"
    last_id, last_seq = int(trade["tradeId"]), book["data"][0]["seqId"]
    end_id = _last_trade_id(path)
    while last_id < end_id:
        frame = json.loads(second.recv(timeout=20))
        row = frame["data"][0]
        if frame["arg"]["channel"] == "trades":
            assert int(row["tradeId"]) - int(row["count"]) == last_id
            last_id = int(row["tradeId"])
        elif frame["arg"]["channel"] == "books":
            assert row["prevSeqId"] == last_seq
            last_seq = row["seqId"]
    newest = max(
        int(frame["data"][0]["tradeId"]) for frame in heard if frame["arg"]["channel"] == "trades"
    )
    after, missed = int(trade["tradeId"]) + 1, []
    while after > newest + 1:
        page = running.get(f"/api/v5/market/history-trades?instId={name}&after={after}")["data"]
        missed += [int(row["tradeId"]) for row in page]
        after = missed[-1]
    assert [i for i in missed if i > newest] == list(range(int(trade["tradeId"]), newest, -1))


def test_old_capture_is_replayed_at_many_times_its_speed(start: Start, captures: Path) -> None:
    path = captures / "okx-2022-cryptofeed" / "OKX.ws.1.0.gz"
    with gzip.open(path, "rt") as file:
        lines = [line.rstrip("\n").partition(" ")[2] for line in file if line[0].isdigit()]
    expected = [line for line in lines if '"data"' in line and '"event"' not in line]
    running = start(replay=(path,), speed=50.0)
    client = running.connect()
    args = [
        {"channel": channel, "instId": name}
        for name in ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")
        for channel in CHANNELS
    ]
    client.send(json.dumps({"op": "subscribe", "args": args}))
    assert read_texts(client, len(expected)) == expected


def test_stop_says_goodbye_with_1001(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    with socket.create_connection(("127.0.0.1", running.port)):
        stopper = threading.Thread(target=running.stop_serving)
        stopper.start()
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=5)
        stopper.join()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001


def test_stop_does_not_wait_for_a_client_that_does_not_read(start: Start) -> None:
    running = start(rate=0.0)
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(
            b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 101")
        running.stop_serving()


def test_port_in_use_is_a_configuration_error(start: Start) -> None:
    running = start(rate=0.0)
    with pytest.raises(ConfigError, match="choose another port"):
        start(rate=0.0, port=running.port)


def test_recording_without_data_is_refused(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no data frame"):
        start(replay=(path,))


def test_source_that_fails_ends_the_server_with_its_error(start: Start, tmp_path: Path) -> None:
    running = start(rate=500.0, ledger=tmp_path / "ledger.txt")

    def break_ledger(exchange: Any) -> None:
        os.close(exchange.ledger._fd)
        exchange.ledger._fd = os.open("/dev/null", os.O_RDONLY)

    running.call(break_ledger)
    assert isinstance(running.wait_for_failure(), HunterError)


def test_line_names_every_address() -> None:
    assert listening_line("127.0.0.1", 5) == (
        "listening: ws://127.0.0.1:5/ws/v5/public ws://127.0.0.1:5/ws/v5/business "
        "http://127.0.0.1:5"
    )


class Process:
    """The simulator as `hunter sim` runs it."""

    CODE = (
        "import sys; from pathlib import Path\n"
        "from hunter.simulator.serve import SimOptions, run\n"
        "run(SimOptions(rate=400.0, ledger=Path(sys.argv[1])))\n"
    )

    def __init__(self, ledger: Path) -> None:
        root = Path(__file__).parents[3]
        self.child = subprocess.Popen(
            [sys.executable, "-c", self.CODE, str(ledger)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert self.child.stdout is not None
        self.line = self.child.stdout.readline()
        self.port = int(self.line.rsplit(":", 1)[1])

    def trades(self, count: int) -> list[Any]:
        url = f"ws://127.0.0.1:{self.port}/ws/v5/public"
        with connect(url, ping_interval=None, close_timeout=0.2) as client:
            ask(client, "trades")
            frames = receive(client, count + 1)
        return [frame["data"][0] for frame in frames if "data" in frame]

    def end(self, number: int) -> int:
        self.child.send_signal(number)
        code = self.child.wait(10)
        assert self.child.stdout is not None
        self.child.stdout.close()
        return code


def test_killed_simulator_goes_on_with_its_chain_and_its_history(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.txt"
    first = Process(ledger)
    seen = first.trades(50)
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = Process(ledger)
    later = second.trades(20)
    start_id, end_id = int(seen[0]["tradeId"]), int(later[-1]["tradeId"])
    client = http.client.HTTPConnection("127.0.0.1", second.port, timeout=10)
    client.request("GET", f"/sim/ledger?instId={SWAP}&after={start_id - 1}&limit=10000")
    rows = json.loads(client.getresponse().read())["rows"]
    client.close()
    assert second.end(signal.SIGTERM) == 0
    truth = {row["trade_id"]: row for row in rows}
    for trade in seen + later:
        row = truth[int(trade["tradeId"])]
        assert (row["price"], row["size"], str(row["match_count"])) == (
            trade["px"],
            trade["sz"],
            trade["count"],
        )
    for before, after in pairwise(rows):
        assert after["trade_id"] - after["match_count"] == before["trade_id"]
    assert rows[-1]["trade_id"] >= end_id


def test_interrupt_ends_it_cleanly(tmp_path: Path) -> None:
    process = Process(tmp_path / "ledger.txt")
    assert process.line.startswith("listening: ws://127.0.0.1:")
    assert process.end(signal.SIGINT) == 0


def test_recorded_frames_of_every_kind_of_subject_go_to_their_subscribers(
    start: Start, tmp_path: Path
) -> None:
    keys = [
        ("mark-price", {"instId": SWAP}),
        ("candle1m", {"instId": SWAP}),
        ("index-tickers", {"instId": "BTC-USDT"}),
        ("liquidation-orders", {"instType": "SWAP"}),
        ("instruments", {"instType": "SWAP"}),
        ("status", {}),
    ]
    args = [{"channel": channel, **names} for channel, names in keys]
    frames = [json.dumps({"arg": arg, "data": [{"n": str(n)}]}) for n, arg in enumerate(args)]
    path = tmp_path / "recording.jsonl"
    lines = [f"{10**18 + n * 10**8} {frame}\n" for n, frame in enumerate(frames)]
    path.write_text("".join(lines))
    running = start(replay=(path,), speed=2.0)
    business, public = running.connect("business"), running.connect()
    business.send(json.dumps({"op": "subscribe", "args": [args[1]]}))
    public.send(json.dumps({"op": "subscribe", "args": [args[0], *args[2:]]}))
    assert read_texts(business, 1) == [frames[1]]
    # The status of before the recording is the exchange's own.
    heard = [text for text in read_texts(public, 6) if "completed" not in text]
    assert heard == [frames[0], *frames[2:]]
    assert running.call(lambda exchange: list(exchange.instruments)) == [SWAP]


def test_tls_serves_who_trusts_the_certificate_and_nobody_else(
    start: Start, tmp_path: Path
) -> None:
    tls.server_context(tmp_path)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    running = start(rate=0.0, tls_cert=certificate, tls_key=key)
    url = f"wss://127.0.0.1:{running.port}/ws/v5/public"
    trusting = ssl.create_default_context(cafile=str(certificate))
    with connect(url, ssl=trusting, ping_interval=None) as client:
        ask(client, "books")
        assert [frame.get("action") for frame in receive(client, 2)] == [None, "snapshot"]
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(url, ssl=ssl.create_default_context(), ping_interval=None)
    with pytest.raises(ConfigError, match="PEM certificate and its key"):
        start(rate=0.0, tls_cert=key, tls_key=certificate)
    with pytest.raises(ConfigError, match="both a certificate and its key"):
        start(rate=0.0, tls_cert=key)
    assert listening_line("h", 5, True) == (
        "listening: wss://h:5/ws/v5/public wss://h:5/ws/v5/business https://h:5"
    )


@pytest.mark.parametrize("mode", list(Checksum))
def test_checksum_is_as_asked(start: Start, mode: Checksum) -> None:
    client = start(rate=200.0, checksum=mode).connect()
    ask(client, "books")
    sides: dict[str, dict[str, list[str]]] = {"bids": {}, "asks": {}}
    for frame in receive(client, 8)[1:]:
        row = frame["data"][0]
        for name, levels in sides.items():
            for level in row[name]:
                levels[level[0]] = level
                if level[1] == "0":
                    del levels[level[0]]
        if mode is Checksum.ABSENT:
            assert "checksum" not in row
            continue
        bids = sorted(sides["bids"].values(), key=lambda level: -float(level[0]))
        asks = sorted(sides["asks"].values(), key=lambda level: float(level[0]))
        expected = legacy_checksum(bids, asks) if mode is Checksum.CRC else 0
        assert row["checksum"] == expected


def test_script_and_storm_of_the_options_are_run(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nat_s = 0\nname = "notice"\n[[fault]]\nat_s = 0\nname = "mute"\n')
    running = start(rate=0.0, faults=path, storm=3, storm_gap_s=0.02)
    while len(running.get("/sim/counts")["storm"]) < 20:
        pass
    counts = running.get("/sim/counts")
    assert [line["name"] for line in counts["script"]] == ["notice", "mute"]
    again = Storm(3, 0.02, [SWAP], 0)
    names = [fault.name for fault in again.due(3600 * 10**9)]
    assert [line["name"] for line in counts["storm"]] == names[: len(counts["storm"])]
    running.get("/sim/fault?storm=off")
    path.write_text("x = 1")
    with pytest.raises(ConfigError, match="nothing else"):
        start(rate=0.0, faults=path)
