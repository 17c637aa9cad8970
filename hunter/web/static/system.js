// What `hunter status` tells: the state in a glance, actors, feeds, latencies, companions.

import { byId, make, makeSvg, sentence, setAttribute, setHidden, setText, Table } from "./dom.js";
import { bytes, clock, count, duration, microseconds, milliseconds } from "./format.js";

const FEEDS_MAX = 200;
const BAR_GAP = 0.12;
const MOODS = {
  running: "good", ready: "good", live: "good", open: "good",
  stopped: "bad", parked: "bad", lost: "bad",
};
const SIGNS = { good: "\u25cf", warn: "\u25b2", bad: "\u25a0" };
const STAGES = {
  exchange_to_receive: "Exchange to receive",
  receive_to_ring: "Receive to ring",
  receive_to_brain: "Receive to brain",
  receive_to_signal: "Receive to signal",
};

function moodOf(state) {
  return MOODS[state] ?? "warn";
}

/** Colour and word and sign: any one of them is enough. */
function told(state) {
  return [`${SIGNS[moodOf(state)]} ${state}`, `state ${moodOf(state)}`];
}

const worrying = (value) => [count(value), value ? "bad" : "none"];
const plain = (value) => [count(value), value ? "" : "none"];

export class System {
  constructor() {
    this.state = "";
    this.seenReasons = "";
    this.actors = new Table(byId("actors"), [
      ["Actor", "", (actor) => actor.name + (actor.active ? "" : " (standby)")],
      ["State", "", (actor) => told(actor.state)],
      ["Restarts", "number", (actor) => [count(actor.restarts), actor.restarts ? "warn" : "none"]],
      ["Last exit", "", (actor) => [actor.last_exit ?? "-", actor.last_exit ? "" : "none"]],
      ["Beat", "number", (actor) => beat(actor)],
      ["CPU", "number", (actor) => `${actor.cpu_percent.toFixed(1)} %`],
      ["Memory", "number", (actor) => bytes(actor.rss_bytes)],
      ["Up", "number", (actor) => (actor.pid ? duration(actor.uptime_s) : "-")],
      ["Errors", "number", (actor) => [count(actor.errors), actor.errors ? "warn" : "none"]],
      ["PID", "number", (actor) => String(actor.pid || "-")],
    ]);
    this.feeds = new Table(byId("feeds"), [
      ["Feed", "", (feed) => `${feed.instrument} ${feed.channel}`],
      ["State", "", (feed) => told(feed.state)],
      ["Messages", "number", (feed) => count(feed.messages)],
      ["Age", "number", (feed) => (feed.age_ms === null ? "-" : milliseconds(feed.age_ms))],
      ["Gaps", "number", (feed) => plain(feed.gaps)],
      ["Backfilled", "number", (feed) => plain(feed.backfilled)],
      ["Lost", "number", (feed) => worrying(feed.lost)],
      ["Malformed", "number", (feed) => plain(feed.malformed)],
      ["Lag p50 / p99", "number", (feed) => `${milliseconds(feed.lag_ms_p50)} / ${milliseconds(feed.lag_ms_p99)}`],
    ]);
    this.stages = new Map();
  }

  /** `instrument`: the one that is shown; of many feeds only its own and the troubled are listed. */
  render(status, instrument) {
    this.#renderHead(status);
    this.actors.update(status.actors, (actor) => actor.name);
    const all = byId("all-feeds").checked;
    const wanted = status.feeds.filter(
      (feed) => all || feed.instrument === instrument || feed.state !== "live" || feed.lost > 0,
    );
    this.feeds.update(wanted.slice(0, FEEDS_MAX), (feed) => `${feed.instrument} ${feed.channel}`);
    const left = status.feeds_count - Math.min(wanted.length, FEEDS_MAX);
    setText(byId("feeds-left"), left ? `${count(left)} more feeds are not listed` : "");
    setHidden(byId("all-feeds-choice"), new Set(status.feeds.map((feed) => feed.instrument)).size < 2);
    lines(byId("connections"), status.connections.slice(0, 40).map((connection) => {
      const closed = connection.last_close ? `; last closed: ${connection.last_close}` : "";
      return [
        moodOf(connection.state),
        `${SIGNS[moodOf(connection.state)]} ${connection.actor} ${connection.url} ${connection.state}, ${connection.connects === 1 ? "1 connect" : `${count(connection.connects)} connects`}${closed}`,
      ];
    }));
    this.#renderCompanions(status);
  }

  #renderHead(status) {
    const { state } = status;
    const mood = moodOf(state);
    const chip = byId("state");
    setText(byId("state-word"), state);
    setText(byId("state-sign"), SIGNS[mood]);
    setAttribute(chip, "class", `chip ${mood}`);
    setText(byId("instance"), status.name);
    const title = `${state} \u00b7 ${status.name} \u00b7 hunter`;
    if (document.title !== title) document.title = title;
    const restarts = status.actors.reduce((sum, actor) => sum + actor.restarts, 0);
    // Of many feeds only some come with the status: what counts them all comes beside them
    const { feeds_count: feeds, feeds_live: live, feeds_lost: lost } = status;
    facts(byId("facts"), [
      ["up", duration(status.uptime_s)],
      ["feeds live", `${count(live)} of ${count(feeds)}`, live < feeds ? "warn" : ""],
      ["lost", count(lost), lost ? "bad" : ""],
      ["signals", count(status.brain.signals)],
      ["restarts", count(restarts), restarts ? "warn" : ""],
      ["memory", bytes(status.memory.rss_bytes + status.memory.shared_bytes)],
      ["version", status.version],
    ]);
    // One line for each reason while it lasts: their figures change with every look.
    const shown = [
      ...status.reasons.map((text) => ["reason", text]),
      ...status.notices.map((text) => ["notice", text]),
    ].slice(0, 20);
    const key = JSON.stringify(shown);
    if (key !== this.seenReasons) {
      this.seenReasons = key;
      byId("reasons").replaceChildren(...shown.map(([kind, text]) => {
        const line = sentence("li", text);
        line.className = kind;
        return line;
      }));
    }
    setHidden(byId("reasons"), !shown.length);
    if (state !== this.state) {
      this.state = state;
      setText(byId("said"), `hunter is ${state}. ${status.reasons[0] ?? ""}`);
    }
  }

  #renderCompanions(status) {
    const { brain, store, alerts, web } = status;
    group("brain-facts", [
      ["state", brain.warm ? "warm" : "warming up", brain.warm ? "good" : "warn"],
      ["decisions", count(brain.decisions)],
      ["signals", count(brain.signals)],
      ["rows lapped", count(brain.lapped), brain.lapped ? "warn" : ""],
      ["frame to decision", `p50 ${microseconds(brain.latency_us.p50)}, p99 ${microseconds(brain.latency_us.p99)}`],
      ["read", Object.entries(brain.inputs).map(([kind, rows]) => `${count(rows)} ${kind}`).join(", ")],
    ]);
    group("store-facts", store && [
      ["files", `${count(store.files)}, ${bytes(store.bytes)}`],
      ["last written", store.written_ns ? clock(store.written_ns / 1e6) : "not yet"],
      ...store.tables.map((table) => [
        table.table,
        `${count(table.rows)} rows, ${count(table.waiting)} waiting${table.lapped + table.dropped ? `, ${count(table.lapped)} lapped, ${count(table.dropped)} dropped` : ""}`,
        table.lapped + table.dropped ? "bad" : "",
      ]),
      ...(store.trouble ? [["trouble", store.trouble, "bad"]] : []),
    ], "off: store.enabled");
    group("alerts-facts", alerts && [
      ["sent", count(alerts.sent)],
      ["waiting", count(alerts.waiting)],
      ["held back", count(alerts.held_back)],
      ["failed", count(alerts.failed), alerts.failed ? "warn" : ""],
      ["dropped", count(alerts.dropped), alerts.dropped ? "bad" : ""],
      ...(alerts.trouble ? [["trouble", alerts.trouble, "bad"]] : []),
    ], "off: alerts.enabled");
    group("web-facts", web && [
      ["at", web.url || "-"],
      ["viewers", count(web.viewers)],
      ["requests", count(web.requests)],
      ["refused", count(web.refused), web.refused ? "warn" : ""],
    ]);
    group("rings-facts", status.rings.slice(0, 8).map((ring) => [
      ring.instrument, `${count(ring.sequence)} trades`,
    ]));
  }

  renderLatency(stages) {
    const place = byId("latency");
    for (const [name, found] of Object.entries(stages).slice(0, 8)) {
      if (!this.stages.has(name)) {
        const box = this.#makeStage(name);
        this.stages.set(name, box);
        place.append(box.element);
      }
      const box = this.stages.get(name);
      const total = found.counts.reduce((sum, one) => sum + one, 0);
      const percentiles = `p50 ${microseconds(found.p50)}  p99 ${microseconds(found.p99)}  p99.9 ${microseconds(found.p999)}`;
      setText(box.figures, total ? percentiles : "nothing measured yet");
      setText(box.low, total ? `\u2264 ${microseconds(found.upper_us[0])}` : "");
      setText(box.high, total ? `\u2264 ${microseconds(found.upper_us.at(-1))}` : "");
      setAttribute(box.bars, "d", total ? bars(found.counts) : "");
      setAttribute(box.picture, "aria-label", `${STAGES[name] ?? name}: ${total ? percentiles : "nothing measured yet"}`);
    }
  }

  #makeStage(name) {
    const element = make("div", "stage");
    const figures = make("p", "figures");
    const picture = makeSvg("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img" });
    const path = makeSvg("path", { class: "bars" });
    picture.append(path);
    const ends = make("p", "ends");
    const [low, high] = [make("span"), make("span")];
    ends.append(low, high);
    element.append(make("h3", "", STAGES[name] ?? name.replaceAll("_", " ")), figures, picture, ends);
    return { element, figures, picture, bars: path, low, high };
  }
}

function beat(actor) {
  if (!actor.pid) return "-";
  return [milliseconds(actor.heartbeat_age_ms), actor.heartbeat_age_ms > 1000 ? "warn" : ""];
}

/** Pairs of name and value, kept and changed in place. */
function facts(place, pairs) {
  while (place.children.length > pairs.length) place.lastChild.remove();
  while (place.children.length < pairs.length) {
    const box = make("div");
    box.append(make("dt"), make("dd"));
    place.append(box);
  }
  for (const [index, [name, value, mood = ""]] of pairs.entries()) {
    const [term, told] = place.children[index].children;
    setText(term, name);
    setText(told, value);
    setAttribute(told, "class", mood);
  }
}

function group(id, pairs, otherwise = "") {
  if (pairs) facts(byId(id), pairs);
  else facts(byId(id), otherwise ? [["state", otherwise, "none"]] : []);
}

function lines(list, wanted) {
  while (list.children.length > wanted.length) list.lastChild.remove();
  while (list.children.length < wanted.length) list.append(make("li"));
  for (const [place, [mood, text]] of wanted.entries()) {
    setText(list.children[place], text);
    setAttribute(list.children[place], "class", mood);
  }
}

/** Heights by the square root: the tail is what one looks for, and it is thin. */
function bars(counts) {
  const most = Math.sqrt(Math.max(...counts)) || 1;
  const wide = 100 / counts.length;
  return counts.map((value, place) => {
    if (!value) return "";
    const high = Math.max(1, (Math.sqrt(value) / most) * 30);
    const left = (place * wide + wide * BAR_GAP).toFixed(2);
    return `M${left} 30v-${high.toFixed(2)}h${(wide * (1 - 2 * BAR_GAP)).toFixed(2)}V30Z`;
  }).join("");
}
