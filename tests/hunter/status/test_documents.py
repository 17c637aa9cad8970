from __future__ import annotations

import msgspec
import pytest

from hunter.status import documents

DOCUMENTS = [
    documents.StreamDocument(
        feeds=(documents.FeedDocument("BTC-USDT-SWAP", "trades", "live", 5, 6, lost=1),),
        connections=(documents.ConnectionDocument("wss://x", "open", 2, "1006"),),
        note="x",
    ),
    documents.BrainDocument(
        inputs=documents.BrainInputs(1, 2, 3, 4), latency_us=documents.Percentiles(1.0, 2.0, 3.0)
    ),
    documents.SupervisorDocument(
        "running", "1", (documents.ChildDocument("brain-0", "brain", "ready", 7),), ("abc",)
    ),
    documents.WatchdogDocument(("brain-0 hangs",), 3),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: type(d).__name__)
def test_document_round_trip(document: msgspec.Struct) -> None:
    assert documents.decode(documents.encode(document), type(document)) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: type(d).__name__)
def test_document_is_frozen(document: msgspec.Struct) -> None:
    name = document.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(document, name, None)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"{",
        b"[]",
        b'{"state": 1}',
        b"\xff",
        b'{"state":"\xff","version":"1"}',
        b"[" * 99_999,
    ],
)
def test_what_is_no_document_is_none(raw: bytes | None) -> None:
    assert documents.decode(raw, documents.SupervisorDocument) is None


def test_document_of_a_later_version_is_read_for_what_is_known() -> None:
    raw = b'{"reasons": ["a"], "restarts_asked": 1, "added_later": true}'
    assert documents.decode(raw, documents.WatchdogDocument) == documents.WatchdogDocument(
        ("a",), 1
    )
