"""Makes the documentation's pictures: docs/images/{page,status,top}-{light,dark}-{390,1440}.png.

    make screenshots        two minutes; needs the environment of make test-extras, and Chromium

A demo runs until it has signals to show, loses a stream process and its brain, and is looked at
soon after: by the page, by `hunter status` on a terminal, by `hunter top`.
"""

from __future__ import annotations

import asyncio
import base64
import html
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fakes.browser import chromium, free_port
from fakes.instance import HUNTER, HunterInstance, temporary_home, wait_until
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from hunter.cli.top_screen import picture

IMAGES = Path(__file__).parents[2] / "docs" / "images"
BYTES_MAX = 300_000
MARKET_FOR_S = 75
AFTER_DEATH_S = 12
WIDTHS = {390: 844, 1440: 900}
SCHEMES = ("light", "dark")
SETTINGS = [
    'okx.instruments=["BTC-USDT-SWAP","ETH-USDT-SWAP","BTC-USDT"]',
    "stream.standby=true",
    "brain.warm_ms=5000",
    "brain.threshold=0.1",
    "web.enabled=true",
    "store.enabled=true",
    "store.flush_s=10",
]
TERMINAL_COLUMNS = 132
FREQUENT_COLOURS = 48
TOP_SIZES = {390: (64, 44), 1440: (132, 40)}
# What a terminal makes of black, red, green, yellow, blue, magenta, cyan, white
_LIGHT = ["#1a2028", "#b3261e", "#146c2e", "#855300", "#0a58b5", "#6b4fa8", "#0b6b78", "#56606b"]
_DARK = ["#0d1117", "#ff8f85", "#56c271", "#e6b04a", "#7ab7ff", "#b79cf2", "#62c4d0", "#9aa5b1"]
GROUNDS = {"light": ("#ffffff", "#1a2028", _LIGHT), "dark": ("#0d1117", "#e4e9ef", _DARK)}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with temporary_home() as home:
        instance = HunterInstance(home, [*SETTINGS, f"web.port={free_port()}"], None)
        try:
            instance.start("--demo")
            look_at(instance)
        finally:
            instance.stop()
    for path in sorted(IMAGES.glob("*.png")):
        size = path.stat().st_size
        print(f"{path.name:24} {size / 1000:6.0f} kB{'  too large' * (size > BYTES_MAX)}")


def look_at(instance: HunterInstance) -> None:
    say(f"a market of {MARKET_FOR_S} s")
    wait_until("a market", lambda: instance.status()["uptime_s"] > MARKET_FOR_S, 300, every_s=2)
    for name in ("stream-0", "brain-0"):
        say(f"killing {name}")
        os.kill(instance.actor(name)["pid"], signal.SIGKILL)
        wait_until(f"{name} is back", lambda name=name: is_back(instance, name), 60, every_s=1)
    url = instance.status()["web"]["url"]
    status = terminal_text(instance)
    # Before the browser: its library has an event loop of its own
    tops = {
        (scheme, width): elsewhere(
            instance, asyncio.run(picture(instance.config, *size, f"textual-{scheme}"))
        )
        for scheme in SCHEMES
        for width, size in TOP_SIZES.items()
    }
    with chromium() as browser:
        for scheme in SCHEMES:
            for width, height in WIDTHS.items():
                say(f"{scheme}, {width} pixels")
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                page.goto(url)
                page.wait_for_timeout(2_500)
                take(page, "page", scheme, width)
                page.close()
                page = browser.new_page(
                    viewport={"width": width, "height": 200},
                    device_scale_factor=2 if width < 500 else 1,  # small letters
                )
                page.set_content(terminal_page(status, scheme, width))
                take(page, "status", scheme, width)
                page.set_content(top_page(tops[scheme, width], scheme))
                take(page, "top", scheme, width)
                page.close()


def is_back(instance: HunterInstance, name: str) -> bool:
    """For a while, so that the death is over and has left its traces."""
    actor = instance.actor(name)
    is_settled = actor["restarts"] > 0 and actor["uptime_s"] > AFTER_DEATH_S
    return is_settled and instance.status()["state"] == "running"


def elsewhere(instance: HunterInstance, text: str) -> str:
    """The folder of this run under a name that people may have; as long as it was, for a picture
    of text has the lengths in it.
    """
    home = str(instance.home)
    return text.replace(home, "/var/lib/hunter/demo-data".ljust(len(home), "_")[: len(home)])


def terminal_text(instance: HunterInstance) -> str:
    """What `hunter status` writes to a terminal, with its colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(TERMINAL_COLUMNS)}
    environment.pop("NO_COLOR", None)
    done = subprocess.Popen(
        [*HUNTER, "status", "-c", str(instance.config_file)],
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65_536):
            told += part
    except OSError:
        pass  # EIO: the other side is closed
    os.close(ours)
    done.wait()
    return elsewhere(instance, told.decode().replace("\r\n", "\n"))


def terminal_page(text: str, scheme: str, width: int) -> str:
    ground, ink, colours = GROUNDS[scheme]
    rgb = [tuple(int(c[at : at + 2], 16) for at in (1, 3, 5)) for c in (ground, ink, *colours)]
    theme = TerminalTheme(rgb[0], rgb[1], rgb[2:])  # type: ignore[arg-type]
    columns = max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()))
    console = Console(record=True, width=columns, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.from_ansi(text), soft_wrap=True)
    body = console.export_html(theme=theme, inline_styles=True, code_format="{code}")
    letters_px = min(14.0, (width - 34) / (columns * 0.6021))
    return (
        f"<body style='margin:0;background:{ground};color:{ink}'>"
        f"<pre style='margin:14px 16px;font:{letters_px:.2f}px/1.45 DejaVu Sans Mono,monospace'>"
        f"<b>$ {html.escape('hunter status')}</b>\n{body}</pre>"
    )


def top_page(svg: str, scheme: str) -> str:
    ground = GROUNDS[scheme][0]
    return (
        f"<body style='margin:0;background:{ground}'><style>svg {{ display: block; width: 100%;"
        f" height: auto; }} svg text {{ font-family: DejaVu Sans Mono, monospace !important; }}"
        f"</style>{svg}"
    )


def take(page: Any, what: str, scheme: str, width: int) -> None:
    """All of the page, in a palette of 256 colours: a third of what the browser's file weighs."""
    encoded = base64.b64encode(page.screenshot(full_page=True)).decode()
    empty = page.context.browser.new_page()  # one without a policy
    wide, high, rgba = empty.evaluate(PIXELS, encoded)
    empty.close()
    pixels = np.frombuffer(base64.b64decode(rgba), np.uint8).reshape(high, wide, 4)
    (IMAGES / f"{what}-{scheme}-{width}.png").write_bytes(palette_png(pixels[:, :, :3]))


PIXELS = """async (encoded) => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + encoded;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const reader = new FileReader();
  const read = new Promise((done) => { reader.onload = done; });
  reader.readAsDataURL(new Blob([data]));
  await read;
  return [image.width, image.height, reader.result.split(',')[1]];
}"""


def palette_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """`pixels`: height, width, 3. https://www.w3.org/TR/png-3/"""
    packed = pixels.astype(np.uint32) @ np.array([65_536, 256, 1], np.uint32)
    found, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    every = np.stack([found >> 16, found >> 8 & 255, found & 255], 1).astype(np.int32)
    palette = every[chosen_colours(every, counts)]
    nearest = np.concatenate(
        [
            ((some[:, None, :] - palette[None]) ** 2).sum(2).argmin(1)
            for some in np.array_split(every, len(every) // 1_000 + 1)
        ]
    )
    rows = nearest[places].reshape(packed.shape).astype(np.uint8)
    unfiltered = np.pad(rows, ((0, 0), (1, 0)))
    high, wide = rows.shape
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
            chunk(b"IDAT", zlib.compress(unfiltered.tobytes(), 9)),
            chunk(b"IEND", b""),
        )
    )


def chosen_colours(
    every: npt.NDArray[np.int32], counts: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Places of at most 256 of these colours: the most frequent ones, then those that are worst
    off with what is there, or a word in red would turn into one in orange.
    """
    chosen = list(np.argsort(-counts)[:FREQUENT_COLOURS])
    away = ((every[:, None, :] - every[None, chosen]) ** 2).sum(2).min(1)
    while len(chosen) < min(256, len(every)):
        worst = int(np.argmax(away * np.sqrt(counts)))
        chosen.append(worst)
        away = np.minimum(away, ((every - every[worst]) ** 2).sum(1))
    return np.array(chosen)


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
