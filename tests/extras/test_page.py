"""The page in a browser, on one instance: what it shows, how it is used, and that it comes back by
itself after the death of any process. In the order of this file; the deaths come last.

Skipped without playwright or Chromium (Debian, Ubuntu: apt install chromium).
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.browser import CHROMIUM, WatchedPage, chromium, free_port
from fakes.instance import HunterInstance, temporary_home, wait_until

pytest.importorskip("playwright", reason="the page is tested by: make test-extras")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium"),
]

INSTRUMENTS = ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USDT"]
NUMBER = r"[\d,]+(\.\d+)?"


@pytest.fixture(scope="module")
def instance() -> Iterator[HunterInstance]:
    with temporary_home() as home:
        made = HunterInstance(
            home,
            [
                "okx.instruments=" + str(INSTRUMENTS).replace("'", '"'),
                "stream.standby=true",
                "brain.warm_ms=1000",
                "brain.interval_ms=200",
                "brain.threshold=0.0",
                "brain.coverage=1.0",
                "web.enabled=true",
                f"web.port={free_port()}",
            ],
            None,
        )
        try:
            made.start("--demo")
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shared(instance: HunterInstance, browser: Any) -> Iterator[WatchedPage]:
    origin = instance.status()["web"]["url"].rstrip("/")
    watched = WatchedPage(
        browser, origin, viewport={"width": 1440, "height": 900}, color_scheme="light"
    )
    yield watched
    watched.close()


@pytest.fixture
def watched(shared: WatchedPage) -> Iterator[WatchedPage]:
    """The one page, which has complained about nothing when the test is over."""
    yield shared
    assert shared.complaints[:9] == []
    assert shared.strangers()[:9] == []


def test_page_shows_state_and_live_market(watched: WatchedPage) -> None:
    watched.wait("document.querySelector('#state-word').textContent === 'running'")
    assert watched.text("#state").endswith("running")  # a sign, and the word
    assert watched.text("#facts").count("\n") > 5
    price = watched.wait(
        "(() => { const told = document.querySelector('#price-age').textContent;"
        " return told.includes('ago') && told })()"
    )
    watched.wait(f"document.querySelector('#price-age').textContent !== {price!r}")
    assert re.fullmatch(NUMBER, watched.text("#last-price"))
    assert re.search(rf"^{NUMBER} . {NUMBER}$", watched.text("#bid"))
    watched.wait("document.querySelector('#book-state').textContent.startsWith('valid')")
    assert "V" in watched.page.locator("#depth-bids").get_attribute("d")
    assert -1 <= float(watched.page.locator("#imbalance").get_attribute("aria-valuenow")) <= 1
    assert watched.text("#cvd-now").endswith("contracts")
    painted = """(() => { const canvas = document.querySelector('#price-chart canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return data.filter((value, place) => place % 4 === 3 && value > 0).length > 1000 })()"""
    watched.wait(painted)


def test_page_shows_actors_feeds_and_latencies(watched: WatchedPage) -> None:
    actors = watched.text("#actors")
    assert all(name in actors for name in ("stream-0", "stream-0b (standby)", "brain-0", "web"))
    assert actors.count("● ready") == 6
    watched.wait("document.querySelector('#feeds').innerText.split('● live').length === 5")
    watched.page.check("#all-feeds")
    watched.wait("document.querySelector('#feeds').innerText.split('● live').length === 13")
    watched.page.uncheck("#all-feeds")
    watched.wait("document.querySelectorAll('.stage .bars[d^=M]').length === 4")
    assert re.search(r"p50 .+ p99 .+ p99\.9 .+s$", watched.text(".stage:nth-child(2) .figures"))
    assert "warm" in watched.text("#brain-facts")


def test_signals_tell_their_reason_to_keys_and_to_the_pointer(watched: WatchedPage) -> None:
    watched.wait("document.querySelectorAll('#signals li').length > 2")
    watched.page.focus("#price-chart")
    watched.page.keyboard.press("Home")
    tip = watched.page.locator("#signal-tip")
    told = watched.text("#signal-tip")
    assert re.search(r"p\(up\) \d+ %, confidence \d+ %, within 5.0 s", told)
    assert len(watched.text("#tip-reason")) > 10
    assert watched.text("#signal-said").endswith(watched.text("#tip-reason"))
    watched.page.keyboard.press("Escape")
    assert tip.is_hidden()
    point_at_a_signal(watched)
    assert "p(up)" in watched.text("#signal-tip")
    assert re.search(NUMBER, watched.text("#price-readout"))
    watched.page.mouse.move(5, 5)


def point_at_a_signal(watched: WatchedPage) -> None:
    """Where the newest is, its tip says to the keys; prices move on meanwhile, so tried again."""
    tip = watched.page.locator("#signal-tip")
    for _ in range(20):
        watched.page.keyboard.press("End")
        told = tip.bounding_box()
        watched.page.keyboard.press("Escape")
        chart = watched.page.locator("#price-chart .u-over").bounding_box()
        right = int(chart["x"] + chart["width"])
        for y in (told["y"] - 22, told["y"] + told["height"] + 22):  # the tip hides no signal
            for x in range(right - 4, right - 120, -8):
                watched.page.mouse.move(x, y)
                if tip.is_visible():
                    return
    raise AssertionError("no signal could be pointed at")


def test_signal_chosen_by_keys_stays_under_a_pointer_at_rest(watched: WatchedPage) -> None:
    chart = watched.page.locator("#price-chart .u-over").bounding_box()
    watched.page.mouse.move(chart["x"] + 20, chart["y"] + 3)
    watched.page.focus("#price-chart")
    watched.page.keyboard.press("End")
    chosen = watched.text("#tip-head")
    newest = "document.querySelector('#signals li').innerText"
    first = watched.page.evaluate(newest)
    watched.wait(f"{newest} !== {first!r}")  # drawn anew since
    assert watched.page.locator("#signal-tip").is_visible()
    assert watched.text("#tip-head") == chosen
    watched.page.mouse.move(chart["x"] + 40, chart["y"] + 3)
    assert watched.page.locator("#signal-tip").is_hidden()
    watched.page.mouse.move(5, 5)


def test_signal_of_another_instrument_is_not_told_any_more(watched: WatchedPage) -> None:
    before = float(watched.text("#last-price").replace(",", ""))
    watched.page.focus("#price-chart")
    watched.page.keyboard.press("End")
    assert watched.page.locator("#signal-tip").is_visible()
    watched.page.keyboard.press("2")
    watched.wait("document.querySelector('#feeds').innerText.includes('ETH-USDT-SWAP trades')")
    watched.wait("document.querySelector('#signal-tip').hidden")
    watched.page.keyboard.press("1")
    price = "parseFloat(document.querySelector('#last-price').textContent.replaceAll(',', ''))"
    watched.wait(f"Math.abs({price} / {before} - 1) < 0.2")


def test_another_instrument_by_key_and_by_chooser(watched: WatchedPage) -> None:
    is_of = "document.querySelector('#feeds').innerText.includes('{} trades')"
    watched.page.locator("#main").focus()
    first = float(watched.text("#last-price").replace(",", ""))
    watched.page.keyboard.press("2")
    watched.wait(is_of.format("ETH-USDT-SWAP"))
    assert watched.page.input_value("#instrument") == "ETH-USDT-SWAP"
    is_other = "Math.abs(parseFloat(document.querySelector('#last-price').textContent"
    is_other += f".replaceAll(',', '')) / {first} - 1) > 0.2"
    watched.wait(is_other)
    watched.page.select_option("#instrument", "BTC-USDT")
    watched.wait(is_of.format("BTC-USDT"))
    watched.wait("document.querySelector('#cvd-now').textContent.endsWith('BTC')")
    watched.page.locator("#main").focus()
    watched.page.keyboard.press("ArrowRight")  # past the last: the first
    watched.wait("document.querySelector('#instrument').value === 'BTC-USDT-SWAP'")


def test_theme_is_chosen_and_kept(watched: WatchedPage) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = watched.page.evaluate(ground)
    watched.page.locator("#main").focus()
    watched.page.keyboard.press("t")  # light, as the system is
    assert watched.page.evaluate(ground) == light
    watched.page.click("#theme")
    dark = watched.page.evaluate(ground)
    assert dark != light
    assert watched.text("#theme") == "Theme: dark"
    watched.page.reload()
    assert watched.page.evaluate(ground) == dark
    watched.page.click("#theme")
    assert watched.page.evaluate(ground) == light
    watched.page.emulate_media(color_scheme="dark")
    assert watched.page.evaluate(ground) == dark
    watched.page.emulate_media(color_scheme="light")
    watched.wait("document.querySelector('#state-word').textContent === 'running'")


def test_everything_is_reached_by_keyboard(watched: WatchedPage) -> None:
    page = watched.page
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    wait_until(
        "the skip link leads on", lambda: page.evaluate("document.activeElement.id") == "main"
    )
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("t")  # no shortcut while it is open
    assert watched.text("#theme") == "Theme: system"
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.type("no such thing 2")
    assert page.input_value("#instrument") == INSTRUMENTS[0]  # typing is no shortcut
    shown = watched.text("#log-count")
    assert shown.startswith("0 of ") or shown == "nothing has happened yet"
    page.keyboard.press("Escape")
    assert page.input_value("#filter") == ""
    assert not watched.text("#log-count").startswith("0 of ")
    reached = set()
    page.focus(".skip")
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    wanted = {"instrument", "theme", "help-open", "span", "price-chart", "all-feeds", "severity"}
    assert reached >= wanted | {"filter", "log", "timeline-span", "SUMMARY"}


def test_controls_have_names_and_ids_are_unique(watched: WatchedPage) -> None:
    nameless = """[...document.querySelectorAll(
        'button, select, input, a, summary, [tabindex="0"], [role=img], [role=meter]')]
      .filter((one) => !(one.getAttribute('aria-label') || one.labels?.length
        || document.getElementById(one.getAttribute('aria-labelledby'))?.textContent
        || one.textContent.trim())).map((one) => one.outerHTML)"""
    assert watched.page.evaluate(nameless) == []
    ids = watched.page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    headless = "[...document.querySelectorAll('table')].filter((one) => !one.tHead).length"
    assert watched.page.evaluate(headless) == 0


@pytest.mark.parametrize("width", [320, 390, 720, 1440])
def test_page_is_never_wider_than_the_screen(watched: WatchedPage, width: int) -> None:
    # 720 is a screen of 1440 at 200 %
    watched.page.set_viewport_size({"width": width, "height": 800})
    wide = "[document.documentElement.scrollWidth, innerWidth]"
    wait_until("no scrolling", lambda: (lambda w: w[0] <= w[1])(watched.page.evaluate(wide)), 3)
    assert watched.page.locator("#price-chart canvas").bounding_box()["width"] <= width


def test_what_is_kept_has_a_limit(watched: WatchedPage) -> None:
    kept = watched.page.evaluate(
        """async () => {
        const { Newest, POINTS_MAX, Series } = await import('/static/series.js');
        const series = new Series();
        let most = 0;
        for (let batch = 0; batch < 400; batch += 1) {
          const t = Array.from({ length: 100 }, (_, place) => (batch * 100 + place) * 50);
          series.add(t, t);
          most = Math.max(most, series.t.length);
        }
        series.add([3], [3]);
        const log = new Newest(500, (event) => event.at_ms);
        for (let at = 0; at < 2000; at += 1) log.add([{ at_ms: at % 1500 }]);
        const isRising = series.t.every((at, place) => !place || at > series.t[place - 1]);
        return [most <= POINTS_MAX + 100, series.t.length > 500, isRising, series.t.at(-1),
          series.at(1_000_000) <= 1_000_000, series.at(-1), log.items.length];
        }"""
    )
    assert kept == [True, True, True, 39_999 * 50, True, None, 500]


def test_events_of_one_moment_are_all_told_and_each_once(watched: WatchedPage) -> None:
    kept = watched.page.evaluate(
        """async () => {
        const { Story } = await import('/static/story.js');
        const story = new Story();
        const gap = (text) => ({ at_ms: 7, kind: 'gap', subject: 'A', is_over: false, text });
        const start = (at_ms, pid) => (
          { at_ms, actor: 'a', what: 'restarted', text: `a was started again, pid ${pid}` });
        const died = (at_ms) => ({ at_ms, actor: 'a', what: 'died', text: 'a ended' });
        const told = { at_ms: 9, events: [gap('trades'), gap('books')] };
        story.take({ ...told, timeline: [start(5, 1), died(6)] });
        story.take({ ...told, timeline: [start(4, 1), start(8, 2), died(6), died(7)] });
        return [story.events.items.length, story.timeline.items.length];
        }"""
    )
    assert kept == [2, 4]


def test_outage_is_told_whatever_the_viewers_clock_says(watched: WatchedPage) -> None:
    told = watched.page.evaluate(
        """async () => {
        const { Story } = await import('/static/story.js');
        const told = [];
        for (const skewMs of [-3600_000, 0, 3600_000]) {
          const serverMs = Date.now() + skewMs;
          const story = new Story();
          story.take({ at_ms: serverMs, events: [], timeline: [
            { at_ms: serverMs - 60_000, actor: 'a', what: 'died', text: 'long ago' },
            { at_ms: serverMs - 2_000, actor: 'a', what: 'died', text: 'a moment ago' }] });
          const now = { at_ms: serverMs, status: { uptime_s: 1 } };
          story.tellOutage(Date.now() - 5_000, Date.now(), now);
          told.push([...document.querySelectorAll('#back-list span')].map(
            (line) => line.textContent).join());
        }
        document.querySelector('#back').hidden = true;
        return told;
        }"""
    )
    assert told == ["a moment ago,hunter itself was started again"] * 3


def test_chart_ends_now_or_where_the_trades_do(watched: WatchedPage) -> None:
    ends = watched.page.evaluate(
        """async () => {
        const { Market } = await import('/static/market.js');
        return [[900, 999], [900, 1005], [100, 200]].map((seconds) => {
          const market = Object.create(Market.prototype);
          Object.assign(market, { nowMs: 1000_000, chosenMs: 0 });
          market.price = { t: seconds.map((at) => at * 1000) };
          return [market.edgeMs, market.spanMs];
        });
        }"""
    )
    assert ends == [[1_000_000, 120_000], [1_005_000, 120_000], [200_000, 120_000]]


def test_quote_without_one_side_has_no_price_there(watched: WatchedPage) -> None:
    shown = watched.page.evaluate(
        """async () => {
        const { Market } = await import('/static/market.js');
        const market = new Market();
        market.quote = { bid: null, bid_size: 0, ask: 9, ask_size: 2, age_ms: 1 };
        market.imbalance = -1;
        market.render();
        return ['bid', 'ask', 'spread'].map((id) => document.getElementById(id).textContent);
        }"""
    )
    watched.page.reload()  # without the second pair of charts
    assert shown == ["-", "9 \u00d7 2", "-"]


# ---- deaths


def kill(instance: HunterInstance, name: str) -> None:
    report = instance.status()
    pids = {actor["name"]: actor["pid"] for actor in report["actors"]}
    os.kill(report["pid"] if name == "supervisor" else pids[name], signal.SIGKILL)


@pytest.mark.parametrize("name", ["stream-0", "brain-0"])
def test_death_is_told_and_the_page_goes_on(
    instance: HunterInstance, watched: WatchedPage, name: str
) -> None:
    watched.page.set_viewport_size({"width": 1440, "height": 900})
    kill(instance, name)
    told = "document.querySelector('#{}').innerText.includes('{}')"
    watched.wait(told.format("timeline-list", f"{name} ended after"))
    watched.wait(told.format("timeline-list", f"{name} was started again"))
    # that it is ready again is told only when the page saw it while it was not
    watched.wait(told.format("log", f"{name} ended after"))
    if name == "stream-0":
        watched.wait(told.format("timeline-list", "stream-0b took over the writing"))
    watched.wait("document.querySelector('#state-word').textContent === 'running'")
    assert watched.page.locator("#banner").is_hidden()
    row = watched.page.locator("#actors tr", has_text=name).first.inner_text()
    assert "signal 9" in row
    marks = "[...document.querySelectorAll('#timeline .mark title')].some("
    marks += f"(one) => one.textContent.includes('{name} ended'))"
    assert watched.page.evaluate(marks)


def lose(watched: WatchedPage) -> None:
    """The page says at once that it has no connection any more."""
    watched.wait("!document.querySelector('#banner').hidden", 5)
    assert re.search(
        r"No connection to hunter since \d\d:\d\d:\d\d, trying again", watched.text("#banner")
    )
    assert watched.text("#state").endswith("no connection")
    assert watched.page.title().startswith("no connection")
    watched.wait("Number(getComputedStyle(document.querySelector('main')).opacity) < 0.5")


def come_back(watched: WatchedPage) -> str:
    """It is there again by itself, and live; what it says has happened."""
    watched.wait("document.querySelector('#banner').hidden", 20)
    watched.is_hunter_away = False
    watched.wait("!document.querySelector('#back').hidden")
    watched.wait("document.querySelector('#state-word').textContent === 'running'", 20)
    watched.wait("Number(getComputedStyle(document.querySelector('main')).opacity) === 1")
    return watched.text("#back")


def test_page_comes_back_after_the_death_of_its_server(
    instance: HunterInstance, watched: WatchedPage
) -> None:
    watched.page.select_option("#instrument", "ETH-USDT-SWAP")
    watched.wait("document.querySelector('#feeds').innerText.includes('ETH-USDT-SWAP trades')")
    watched.is_hunter_away = True
    kill(instance, "web")
    lose(watched)
    told = come_back(watched)
    assert re.search(r"Connected again at \d\d:\d\d:\d\d, after [\d.]+ s without news", told)
    assert re.search(r"web ended after \d+ s: signal 9", told)
    # what the viewer looked at before, not the first one
    watched.wait("document.querySelector('#feeds').innerText.includes('ETH-USDT-SWAP trades')")
    assert watched.page.input_value("#instrument") == "ETH-USDT-SWAP"


def test_page_comes_back_after_the_death_of_the_supervisor(
    instance: HunterInstance, watched: WatchedPage
) -> None:
    watched.is_hunter_away = True
    kill(instance, "supervisor")
    lose(watched)
    instance.start("--demo")
    told = come_back(watched)
    assert "hunter itself was started again" in told
    assert re.search(r"supervisor ended after \d+ s: killed", told)
    watched.page.click("#back-close")
    assert watched.page.locator("#back").is_hidden()
    watched.wait("document.querySelector('#price-age').textContent.includes(' ms ago')")


def test_silent_server_is_a_lost_connection(shared: WatchedPage, browser: Any) -> None:
    """A process that was stopped keeps its sockets open."""
    watched = WatchedPage(browser, "")
    watched.page.route_web_socket("**/ws", lambda socket: None)
    watched.visit(shared.origin)
    lose(watched)
    watched.close()
