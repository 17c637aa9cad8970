"""Configurations of any content, and a configuration as plain values to compare."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from hunter.config import Config, HunterSection, OkxSection, SupervisorSection

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


addresses = texts.map(lambda text: text.replace("?", ""))  # a query is not shown
configs = st.builds(
    Config,
    hunter=st.builds(HunterSection, data_dir=texts, runtime_dir=texts, log_dir=texts),
    okx=st.builds(
        OkxSection, instruments=st.lists(texts, max_size=3).map(tuple), public_url=addresses
    ),
    supervisor=st.builds(SupervisorSection, stop_timeout_s=st.floats(1e-9, 600)),
)


def plain(config: Config) -> dict[str, dict[str, Any]]:
    found = msgspec.json.decode(msgspec.json.encode(config))
    found.pop("base_dir")
    return found  # type: ignore[no-any-return]
