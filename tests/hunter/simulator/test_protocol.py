"""One client's conversation, answer by answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator.channels import Key
from hunter.simulator.protocol import Session

SWAP = "BTC-USDT-SWAP"
HOUR_NS = 3600 * 10**9


def session(path: str = "public", limit: int | None = 480) -> Session:
    def serves(key: Key) -> bool:
        return key[1] in (SWAP, "BTC-USDT", "SWAP", "")

    return Session(path, "a4d3ae55", serves, 0, limit)


def request(*args: Any, op: str = "subscribe", **more: Any) -> str:
    return json.dumps({"op": op, "args": list(args), **more})


def arg(channel: str, inst_id: str = SWAP) -> dict[str, str]:
    return {"channel": channel, "instId": inst_id}


def code_of(text: bytes) -> str:
    answer = json.loads(text)
    assert answer["event"] == "error"
    # The order of the live frames: msg before code.
    keys = [key for key in answer if key != "id"]
    assert keys == ["event", "msg", "code", "connId"]
    code: str = answer["code"]
    return code


def test_ping_is_answered_by_pong() -> None:
    assert session().receive("ping", 1).texts == [b"pong"]


def test_each_argument_is_acked_with_the_requests_id() -> None:
    reply = session().receive(request(arg("trades"), arg("books"), id="1512"), 1)
    assert reply.texts == [
        b'{"id":"1512","event":"subscribe","arg":{"channel":"%s","instId":"BTC-USDT-SWAP"},'
        b'"connId":"a4d3ae55"}' % name
        for name in (b"trades", b"books")
    ]
    assert reply.added == [("trades", SWAP), ("books", SWAP)]


def test_repeated_argument_is_acked_again_and_added_once() -> None:
    one = session()
    reply = one.receive(request(arg("trades"), arg("trades")), 1)
    assert len(reply.texts) == 2
    assert reply.added == [("trades", SWAP)]
    again = one.receive(request(arg("trades")), 2)
    assert len(again.texts) == 1
    assert again.added == []


def test_unsubscribe_removes_once_and_a_new_subscribe_adds_again() -> None:
    one = session()
    one.receive(request(arg("trades")), 1)
    reply = one.receive(request(arg("trades"), arg("trades"), op="unsubscribe"), 2)
    assert [json.loads(text)["event"] for text in reply.texts] == ["unsubscribe"] * 2
    assert reply.removed == [("trades", SWAP)]
    assert one.receive(request(arg("trades")), 3).added == [("trades", SWAP)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "60012"),
        ("[1]", "60012"),
        ('{"op":"subscribe","argss":[]}', "60012"),
        ('{"args":[]}', "60012"),
        (request(op="subscribe"), "60013"),
        (request("trades"), "60013"),
        (request({"instId": SWAP}), "60013"),
        (request(arg("trades"), op="order"), "60019"),
        (request(arg("trades"), id="has blank"), "60033"),
        (request(arg("trades"), id=7), "60033"),
        (request(arg("trades", "NOPE-USDT")), "60018"),
        (request(arg("trades", "ANY")), "60018"),
        (request({"channel": "trades", "instType": "SWAP"}), "60018"),
        (request({"channel": "trades", "instId": 5}), "60018"),
        (request(arg("no-such-channel")), "60018"),
        (request(arg("trades-all")), "60018"),
        (request(arg("books-l2-tbt")), "60011"),
        (request({"apiKey": ""}, op="login"), "60009"),
        (request(op="login"), "60009"),
    ],
)
def test_bad_request_gets_its_code_and_subscribes_nothing(text: str, code: str) -> None:
    one = session()
    (answer,) = one.receive(text, 1).texts
    assert code_of(answer) == code
    assert not one.subscriptions


def test_wrong_channel_text_is_the_live_one() -> None:
    (answer,) = session().receive(request(arg("candle1m", "BTC-USDT"), id="x"), 1).texts
    assert json.loads(answer) == {
        "id": "x",
        "event": "error",
        "msg": "Wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist. Please use the "
        "correct URL, channel and parameters referring to API document.",
        "code": "60018",
        "connId": "a4d3ae55",
    }


def test_good_and_bad_arguments_are_answered_one_by_one() -> None:
    reply = session().receive(request(arg("trades"), arg("trades", "X-Y"), arg("books")), 1)
    assert [json.loads(text)["event"] for text in reply.texts] == [
        "subscribe",
        "error",
        "subscribe",
    ]
    assert reply.added == [("trades", SWAP), ("books", SWAP)]


def test_business_path_serves_its_own_channels_only() -> None:
    one = session("business")
    assert one.receive(request(arg("trades-all")), 1).added == [("trades-all", SWAP)]
    assert code_of(one.receive(request(arg("trades")), 1).texts[0]) == "60018"
    assert code_of(one.receive(request(arg("books-l2-tbt")), 1).texts[0]) == "60018"


def test_subjects_other_than_instruments_are_named_their_own_way() -> None:
    one = session()
    args = [{"channel": "instruments", "instType": "SWAP"}, {"channel": "status"}]
    reply = one.receive(request(*args), 1)
    assert [json.loads(text)["arg"] for text in reply.texts] == args
    assert reply.added == [("instruments", "SWAP"), ("status", "")]
    (answer,) = one.receive(request({"channel": "instruments", "instType": "SOUP"}), 2).texts
    assert code_of(answer) == "60018"
    assert "channel:instruments,instId:SOUP doesn't" in json.loads(answer)["msg"]


def test_arguments_beyond_the_most_are_as_if_never_sent() -> None:
    one = session()
    reply = one.receive(request(arg("trades"), arg("books")), 1, args_max=1)
    assert len(reply.texts) == 1
    assert one.subscriptions == {("trades", SWAP)}


@pytest.mark.parametrize("code", [60012, 60014, 64007, 61000])
def test_whole_request_is_refused_with_its_id(code: int) -> None:
    one = session()
    answer = one.refuse(request(arg("trades"), id="x1"), code, 5)
    assert code_of(answer) == str(code)
    assert json.loads(answer)["id"] == "x1"
    assert json.loads(answer)["msg"]
    assert "id" not in json.loads(one.refuse("not json", code, 6))
    assert (one.requests.total, one.active_ns, one.subscriptions) == (2, 6, set())


def test_login_leads_to_the_fee_tier_refusal() -> None:
    one = session()
    keys = {"apiKey": "k", "passphrase": "p", "timestamp": "1", "sign": "s"}
    (answer,) = one.receive(request(keys, op="login"), 1).texts
    assert json.loads(answer)["code"] == "0"
    (refusal,) = one.receive(request(arg("books50-l2-tbt")), 2).texts
    assert code_of(refusal) == "64003"


def test_requests_over_the_hourly_budget_are_refused_until_an_hour_is_over() -> None:
    one = session(limit=3)
    for now_ns in (0, 1, 2):
        assert one.receive(request(arg("trades"), arg("books")), now_ns).texts
    assert code_of(one.receive(request(arg("tickers")), 3).texts[0]) == "60014"
    assert one.receive("ping", 4).texts == [b"pong"]
    assert one.receive(request(arg("tickers")), HOUR_NS).added == [("tickers", SWAP)]


def test_without_limits_requests_are_not_counted() -> None:
    one = session(limit=None)
    for _ in range(1000):
        (answer,) = one.receive(request(arg("trades")), 1).texts
    assert json.loads(answer)["event"] == "subscribe"


def test_silence_is_measured_from_the_last_thing_received() -> None:
    one = session()
    assert not one.is_idle(29, 30)
    assert one.is_idle(30, 30)
    one.receive("ping", 20)
    assert not one.is_idle(49, 30)


def test_notice_is_64008() -> None:
    notice = json.loads(session().notice())
    assert (notice["event"], notice["code"], notice["connId"]) == ("notice", "64008", "a4d3ae55")


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["op", "args", "id", "channel", "x"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    ).map(json.dumps)
)
def test_any_text_gets_an_answer_that_is_json(text: str) -> None:
    for answer in session().receive(text, 1).texts:
        assert answer == b"pong" or json.loads(answer)["connId"] == "a4d3ae55"
