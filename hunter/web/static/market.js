// One instrument: price with the signals on it, cumulative volume delta, book, queue imbalance.

import { byId, make, setAttribute, setHidden, setText } from "./dom.js";
import { clock, digitsOf, duration, fixed, isoTime, milliseconds, percent, rough } from "./format.js";
import { Newest, Series } from "./series.js";

const SIGNALS_MAX = 200;
const SIGNALS_LISTED = 5;
const AXIS_PX = 74;
const SPANS_MS = [60_000, 120_000, 300_000];
const NEAR_PX = 14;
const DIRECTIONS = { up: "\u25b2 up", down: "\u25bc down", flat: "\u25cf flat" };

let palette = null;

/** Canvas knows no CSS variables: each is asked of an element that has it as its colour. */
function colours() {
  if (!palette) {
    const probe = byId("probe");
    palette = {};
    for (const name of ["text", "muted", "line", "grid", "up", "down", "price"]) {
      probe.className = `probe-${name}`;
      palette[name] = getComputedStyle(probe).color;
    }
  }
  return palette;
}

/** As the theme has changed. */
export function forgetColours() {
  palette = null;
}

export class Market {
  constructor() {
    this.price = new Series();
    this.cvd = new Series();
    this.signals = new Newest(SIGNALS_MAX, (signal) => `${signal.at_ms} ${signal.direction}`);
    this.book = null;
    this.quote = null;
    this.imbalance = null;
    this.cvdUnit = "";
    this.digits = 0;
    this.nowMs = 0;
    this.chosenMs = 0; // 0: as much as there is
    this.pointed = null; // the signal under the pointer or chosen with the arrow keys
    this.isByKeys = false;
    this.pointer = ""; // where it was on the chart
    this.listed = -1;
    this.#makeCharts();
    this.#listen();
  }

  // What the server says

  takeHistory(told) {
    this.price.replace(told.price.t_ms, told.price.price);
    this.cvd.replace(told.cvd.t_ms, told.cvd.cvd);
    this.signals.replace(told.signals);
    this.cvdUnit = told.cvd_unit;
    this.digits = 0;
    for (const price of told.price.price.slice(-50)) this.#seeDigits(price);
    this.book = this.quote = this.imbalance = null;
    this.nowMs = told.at_ms;
    this.#point(null); // one of what was there before
  }

  takeNow(told) {
    this.nowMs = told.at_ms;
    this.price.add(told.price.t_ms, told.price.price);
    this.cvd.add(told.cvd.t_ms, told.cvd.cvd);
    this.signals.add(told.signals);
    if (told.price.price.length) this.#seeDigits(told.price.price.at(-1));
    if (told.quote) this.#seeDigits(told.quote.bid);
    this.quote = told.quote;
    this.book = told.book;
    this.imbalance = told.imbalance;
  }

  #seeDigits(price) {
    this.digits = Math.max(this.digits, digitsOf(price));
  }

  /** The right end of the charts: now; where nothing is traded any more, or the trades are of
      another time (a replay, a clock that is behind), the last one. */
  get edgeMs() {
    const newest = this.price.t.at(-1) ?? this.nowMs;
    const isInView = newest <= this.nowMs && this.nowMs - newest < (this.chosenMs || SPANS_MS.at(-1));
    return isInView ? this.nowMs : newest;
  }

  /** How much of the past is in view. */
  get spanMs() {
    const reach = this.price.t.length ? this.edgeMs - this.price.t[0] : 0;
    return this.chosenMs || (SPANS_MS.find((span) => span > reach) ?? SPANS_MS.at(-1));
  }

  // Charts

  #makeCharts() {
    const range = () => [this.edgeMs - this.spanMs, this.edgeMs + this.spanMs / 60];
    const axis = (extra) => ({
      stroke: () => colours().muted,
      grid: { stroke: () => colours().grid, width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
      ...extra,
    });
    const options = (height, label, digits, series, showsTime) => ({
      width: 320,
      height,
      ms: 1,
      legend: { show: false },
      cursor: { sync: { key: "market" }, y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true, range } },
      axes: [
        axis({
          size: showsTime ? 26 : 8,
          space: 74,
          values: (chart, splits) => splits.map((at) => {
            // one that would be cut off at the edge is left out
            const isWhole = at - chart.scales.x.min > 0.08 * this.spanMs;
            return showsTime && isWhole ? clock(at) : "";
          }),
        }),
        axis({
          side: 1,
          size: AXIS_PX,
          space: 36,
          values: (_, splits) => splits.map((value) => digits(value)),
        }),
      ],
      series: [{}, { label, points: { show: false }, ...series }],
      padding: [8, 0, 0, 6],
    });
    const place = byId("price-chart");
    this.priceChart = new uPlot(
      {
        ...options(place.clientHeight, "price", (value) => fixed(value, this.digits), {
          stroke: () => colours().price, width: 1.5,
        }, false),
        hooks: {
          draw: [(chart) => this.#drawSignals(chart)],
          setCursor: [(chart) => this.#pointAt(chart)],
        },
      },
      [[], []],
      place,
    );
    this.cvdChart = new uPlot(
      options(byId("cvd-chart").clientHeight, "cvd", rough, {
        stroke: () => colours().line, width: 1.5,
      }, true),
      [[], []],
      byId("cvd-chart"),
    );
    new ResizeObserver(() => this.#resize()).observe(place);
    this.#resize();
  }

  #resize() {
    for (const [chart, id] of [[this.priceChart, "price-chart"], [this.cvdChart, "cvd-chart"]]) {
      const place = byId(id);
      if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: place.clientHeight });
    }
  }

  #spot(chart, signal, inCanvas) {
    const price = signal.price ?? this.price.at(signal.at_ms);
    if (price === null || signal.at_ms < chart.scales.x.min) return null;
    return [chart.valToPos(signal.at_ms, "x", inCanvas), chart.valToPos(price, "y", inCanvas)];
  }

  #drawSignals(chart) {
    const context = chart.ctx;
    const ratio = devicePixelRatio;
    context.save();
    context.beginPath();
    context.rect(chart.bbox.left, chart.bbox.top, chart.bbox.width, chart.bbox.height);
    context.clip();
    for (const signal of this.signals.items) {
      const spot = this.#spot(chart, signal, true);
      if (!spot) continue;
      const size = (signal === this.pointed ? 8 : 5) * ratio;
      const way = { up: 1, down: -1 }[signal.direction] ?? 0;
      const [x, y] = [spot[0], spot[1] + way * 9 * ratio]; // beside the line, not on it
      context.fillStyle = way ? colours()[signal.direction] : colours().muted;
      context.beginPath();
      if (way) {
        context.moveTo(x, y - way * size);
        context.lineTo(x - size, y + way * size);
        context.lineTo(x + size, y + way * size);
      } else {
        context.arc(x, y, size * 0.7, 0, 2 * Math.PI);
      }
      context.fill();
      if (signal === this.pointed) {
        context.strokeStyle = colours().text;
        context.lineWidth = 1.5 * ratio;
        context.stroke();
      }
    }
    context.restore();
  }

  #pointAt(chart) {
    const { left, top } = chart.cursor;
    this.#readout(left < 0 ? null : chart.posToVal(left, "x"));
    // Also called when new data moves the chart under a pointer at rest, or one that is elsewhere:
    // what the keys have chosen stays until the pointer moves.
    const place = `${left} ${top}`;
    const isAtRest = place === this.pointer;
    this.pointer = place;
    if (this.isByKeys && (isAtRest || left < 0)) return;
    if (left < 0) {
      this.#point(null);
      return;
    }
    let nearest = null;
    let distance = NEAR_PX;
    for (const signal of this.signals.items) {
      const spot = this.#spot(chart, signal, false);
      const away = spot ? Math.hypot(spot[0] - left, (spot[1] - top) / 2) : Infinity;
      if (away <= distance) [nearest, distance] = [signal, away];
    }
    this.#point(nearest);
  }

  #readout(atMs) {
    const value = atMs === null ? null : this.price.at(atMs);
    setText(
      byId("price-readout"),
      value === null ? "" : `${clock(atMs)}  ${fixed(value, this.digits)}`,
    );
  }

  #point(signal, isByKeys = false) {
    this.isByKeys = isByKeys;
    if (signal === this.pointed) return;
    this.pointed = signal;
    this.#showTip();
    this.priceChart.redraw(false);
  }

  #showTip() {
    const tip = byId("signal-tip");
    const signal = this.pointed;
    const spot = signal && this.#spot(this.priceChart, signal, false);
    setHidden(tip, !spot);
    if (!spot) return;
    setText(byId("tip-head"), `${DIRECTIONS[signal.direction] ?? signal.direction}  ${clock(signal.at_ms)}`);
    setText(byId("tip-odds"), odds(signal));
    setText(byId("tip-reason"), signal.reason);
    const chart = this.priceChart.over.getBoundingClientRect();
    const box = byId("price-box").getBoundingClientRect();
    const left = chart.left - box.left + spot[0];
    const room = box.width - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(4, Math.min(room, left - tip.offsetWidth / 2))}px`;
    const below = chart.top - box.top + spot[1] + 22;
    const fits = below + tip.offsetHeight < box.height;
    tip.style.top = `${fits ? below : Math.max(0, chart.top - box.top + spot[1] - tip.offsetHeight - 22)}px`;
  }

  #listen() {
    const place = byId("price-chart");
    place.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") this.#point(null);
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      const seen = this.signals.items.filter((signal) => this.#spot(this.priceChart, signal, false));
      if (!seen.length) return;
      const from = this.pointed ? seen.indexOf(this.pointed) : seen.length;
      const to = Math.max(0, Math.min(seen.length - 1, from + steps[event.key]));
      this.#point(seen[to], true);
      setText(byId("signal-said"), `${seen[to].direction} ${clock(seen[to].at_ms)}, ${odds(seen[to])}. ${seen[to].reason}`);
    });
    place.addEventListener("blur", () => this.#point(null));
    byId("span").addEventListener("change", (event) => {
      this.chosenMs = Number(event.target.value) * 60_000;
      this.render();
    });
    byId("levels").addEventListener("toggle", () => this.#renderLevels());
  }

  // Drawing, at most five times a second

  render() {
    this.priceChart.setData([this.price.t, this.price.v]);
    this.cvdChart.setData([this.cvd.t, this.cvd.v]);
    const first = this.price.v.length ? this.price.at(this.edgeMs - this.spanMs) ?? this.price.v[0] : 0;
    const last = this.price.v.at(-1);
    setText(byId("last-price"), last === undefined ? "no trade yet" : fixed(last, this.digits));
    const change = last === undefined ? 0 : last / first - 1;
    setText(
      byId("price-change"),
      last === undefined ? "" : `${change >= 0 ? "\u25b2 +" : "\u25bc "}${fixed(change * 10_000, 1)} bp in view`,
    );
    byId("price-change").className = change >= 0 ? "up" : "down";
    const age = this.price.t.length ? Math.max(0, this.nowMs - this.price.t.at(-1)) : null;
    setText(byId("price-age"), age === null ? "" : `last trade ${milliseconds(age)} ago`);
    const cvd = this.cvd.v.at(-1);
    setText(byId("cvd-now"), cvd === undefined ? "-" : `${cvd > 0 ? "+" : ""}${rough(cvd)} ${this.cvdUnit}`);
    this.#renderQuote();
    this.#renderDepth();
    if (byId("levels").open) this.#renderLevels();
    if (this.listed !== this.signals.version) this.#renderSignals();
    if (this.pointed) this.#showTip();
  }

  #renderQuote() {
    const quote = this.quote;
    const [bid, ask] = [quote?.bid ?? null, quote?.ask ?? null]; // null too where a side is empty
    setText(byId("bid"), bid === null ? "-" : `${fixed(bid, this.digits)} \u00d7 ${rough(quote.bid_size)}`);
    setText(byId("ask"), ask === null ? "-" : `${fixed(ask, this.digits)} \u00d7 ${rough(quote.ask_size)}`);
    const spread = bid === null || ask === null ? null : ask - bid;
    setText(
      byId("spread"),
      spread !== null ? `${fixed(spread, this.digits)} (${fixed((spread / quote.bid) * 10_000, 2)} bp)` : "-",
    );
    const value = this.imbalance;
    const gauge = byId("imbalance");
    byId("needle").style.left = `${50 + 50 * (value ?? 0)}%`;
    setHidden(byId("needle"), value === null);
    setAttribute(gauge, "aria-valuenow", (value ?? 0).toFixed(2));
    const side = value === null ? "no quote" : value > 0.05 ? "bids heavier" : value < -0.05 ? "asks heavier" : "balanced";
    const text = value === null ? side : `${value > 0 ? "+" : ""}${value.toFixed(2)} ${side}`;
    setAttribute(gauge, "aria-valuetext", text);
    setText(byId("imbalance-text"), text);
  }

  #renderDepth() {
    const book = this.book;
    const usable = book && book.bids.length && book.asks.length;
    setText(
      byId("book-state"),
      !book ? "no book" : book.valid ? `valid, ${milliseconds(book.age_ms)} old` : "not valid: being resynchronised",
    );
    byId("book-state").className = book?.valid ? "good" : "warn";
    byId("depth").classList.toggle("invalid", !book?.valid);
    if (!usable) {
      for (const id of ["depth-bids", "depth-asks"]) setAttribute(byId(id), "d", "");
      for (const id of ["depth-low", "depth-mid", "depth-high", "depth-most"]) setText(byId(id), "");
      return;
    }
    const [bids, asks] = [cumulated(book.bids), cumulated(book.asks)];
    const middle = (bids[0][0] + asks[0][0]) / 2;
    const reach = Math.max(middle - bids.at(-1)[0], asks.at(-1)[0] - middle) || 1;
    const most = Math.max(bids.at(-1)[1], asks.at(-1)[1]) || 1;
    const x = (price) => 50 + ((price - middle) / reach) * 50;
    const y = (size) => 100 - (size / most) * 96;
    setAttribute(byId("depth-bids"), "d", steps(bids, x, y));
    setAttribute(byId("depth-asks"), "d", steps(asks, x, y));
    setText(byId("depth-low"), fixed(middle - reach, this.digits));
    setText(byId("depth-mid"), fixed(middle, this.digits));
    setText(byId("depth-high"), fixed(middle + reach, this.digits));
    setText(byId("depth-most"), rough(most));
  }

  #renderLevels() {
    const body = byId("levels-body");
    const [bids, asks] = [this.book?.bids ?? [], this.book?.asks ?? []];
    const wanted = Math.min(20, Math.max(bids.length, asks.length));
    while (body.children.length > wanted) body.lastChild.remove();
    while (body.children.length < wanted) {
      const row = make("tr");
      for (let cell = 0; cell < 4; cell += 1) row.append(make("td", "number"));
      body.append(row);
    }
    for (let place = 0; place < wanted; place += 1) {
      const [bid, ask] = [bids[place], asks[place]];
      const texts = [
        bid ? rough(bid[1]) : "", bid ? fixed(bid[0], this.digits) : "",
        ask ? fixed(ask[0], this.digits) : "", ask ? rough(ask[1]) : "",
      ];
      for (const [cell, text] of texts.entries()) setText(body.children[place].children[cell], text);
    }
  }

  #renderSignals() {
    this.listed = this.signals.version;
    const list = byId("signals");
    const newest = this.signals.items.slice(-SIGNALS_LISTED).reverse();
    list.replaceChildren(...newest.map((signal) => {
      const line = make("li");
      const time = make("time", "", clock(signal.at_ms));
      time.dateTime = isoTime(signal.at_ms);
      line.append(time, make("span", `way ${signal.direction}`, DIRECTIONS[signal.direction] ?? signal.direction));
      line.append(make("span", "odds", odds(signal)), make("span", "why", signal.reason));
      return line;
    }));
    setHidden(byId("no-signals"), newest.length > 0);
  }
}

function odds(signal) {
  return `p(up) ${percent(signal.probability_up)}, confidence ${percent(signal.confidence)}, within ${duration(signal.horizon_ms / 1000)}`;
}

function cumulated(levels) {
  let sum = 0;
  return levels.slice(0, 20).map(([price, size]) => [price, (sum += size)]);
}

/** An area of steps, from the best price outwards, in a box of 100 by 100. */
function steps(levels, x, y) {
  const parts = [`M${x(levels[0][0]).toFixed(2)} 100`];
  for (const [place, [price, size]] of levels.entries()) {
    if (place) parts.push(`H${x(price).toFixed(2)}`);
    parts.push(`V${y(size).toFixed(2)}`);
  }
  parts.push("V100Z");
  return parts.join("");
}
