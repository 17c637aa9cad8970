// What happened: the log of events with its filter, the time line of deaths, and after a lost
// connection what has happened in between.

import { byId, make, makeSvg, setAttribute, setHidden, setText } from "./dom.js";
import { clock, duration, isoTime, moment } from "./format.js";
import { Newest } from "./series.js";

const LOG_MAX = 500;
const TIMELINE_MAX = 200;
const TIMELINE_LISTED = 8;
const TOLD_MAX = 12;
const LANE_PX = 26;
const NAME_PX = 92;
const SPANS_MIN = [10, 60, 360, 1440, 10080];
const SIGNS = { died: "\u2715", restarted: "\u25b2", takeover: "\u25c6", stopped: "\u25a0" };
const SEVERITIES = { info: "i", warning: "\u25b2", critical: "\u25a0" };

export class Story {
  constructor() {
    this.events = new Newest(LOG_MAX, (event) => `${event.at_ms} ${event.kind} ${event.subject} ${event.is_over} ${event.text}`);
    // A start is known by its pid: when it was is reckoned anew by each process of the page
    this.timeline = new Newest(TIMELINE_MAX, (mark) => `${mark.what === "restarted" ? mark.text : mark.at_ms} ${mark.actor} ${mark.what}`);
    this.actors = [];
    this.nowMs = 0;
    this.lines = new Map();
    this.drawn = "";
    byId("filter").addEventListener("input", () => this.#filter());
    byId("severity").addEventListener("change", () => this.#filter());
    byId("back-close").addEventListener("click", () => {
      setHidden(byId("back"), true);
      byId("main").focus();
    });
  }

  take(told) {
    this.nowMs = told.at_ms;
    this.events.add(told.events);
    this.timeline.add(told.timeline);
    if (told.status) this.actors = told.status.actors.map((actor) => actor.name);
  }

  render() {
    if (this.logged !== this.events.version) this.#renderLog();
    this.#renderTimeline();
  }

  // The log, newest first

  #renderLog() {
    this.logged = this.events.version;
    const list = byId("log");
    const kept = new Set(this.events.items);
    for (const [event, line] of this.lines) {
      if (!kept.has(event)) {
        line.remove();
        this.lines.delete(event);
      }
    }
    let before = null; // the line above which the next older one does not belong
    for (const event of this.events.items) {
      let line = this.lines.get(event);
      if (!line) {
        line = this.#makeLine(event);
        this.lines.set(event, line);
        list.insertBefore(line, before ?? null);
      }
      before = line;
    }
    this.#filter();
  }

  #makeLine(event) {
    const line = make("li", `event ${event.severity}${event.is_over ? " over" : ""}`);
    const time = make("time", "", moment(event.at_ms, this.nowMs));
    time.dateTime = isoTime(event.at_ms);
    line.append(
      time,
      make("span", "severity", event.is_over ? "\u2713 over" : `${SEVERITIES[event.severity] ?? ""} ${event.severity}`),
      make("span", "what", event.text),
    );
    line.dataset.words = `${event.kind} ${event.subject} ${event.severity} ${event.text}`.toLowerCase();
    line.dataset.severity = event.severity;
    return line;
  }

  #filter() {
    const wanted = byId("filter").value.trim().toLowerCase();
    const worse = byId("severity").value;
    let shown = 0;
    for (const line of this.lines.values()) {
      const fits = line.dataset.words.includes(wanted)
        && (worse === "all" || line.dataset.severity === "critical" || line.dataset.severity === worse);
      setHidden(line, !fits);
      shown += fits;
    }
    const all = this.lines.size;
    setText(byId("log-count"), all ? `${shown} of ${all} events` : "nothing has happened yet");
  }

  // The time line: a lane for each actor

  #renderTimeline() {
    const marks = this.timeline.items;
    const place = byId("timeline");
    const width = place.clientWidth;
    if (!width) return;
    const chosen = byId("timeline-span").value;
    const reach = marks.length ? this.nowMs - marks[Math.max(0, marks.length - 20)].at_ms : 0;
    const minutes = chosen === "auto"
      ? SPANS_MIN.find((span) => span * 60_000 > reach) ?? SPANS_MIN.at(-1)
      : Number(chosen);
    const from = this.nowMs - minutes * 60_000;
    const lanes = [...new Set([...this.actors, ...marks.map((mark) => mark.actor)])].slice(0, 24);
    // Once a second is enough for lines that creep
    const key = [width, minutes, lanes.join(), this.timeline.version, Math.floor(this.nowMs / 1000)].join("|");
    if (key === this.drawn) return;
    this.drawn = key;
    const high = lanes.length * LANE_PX + 22;
    const x = (at) => NAME_PX + ((at - from) / (minutes * 60_000)) * (width - NAME_PX - 14);
    const shapes = [];
    const ticks = width < 600 ? 3 : 6;
    for (let tick = 0; tick <= ticks; tick += 1) {
      const at = from + (tick / ticks) * minutes * 60_000;
      const anchor = tick === ticks ? "end" : "middle";
      shapes.push(makeSvg("line", { x1: x(at), x2: x(at), y1: 0, y2: high - 20, class: "tick" }));
      const label = makeSvg("text", { x: tick === ticks ? width : x(at), y: high - 5, "text-anchor": anchor });
      label.textContent = tick === ticks ? "now" : moment(at, this.nowMs).slice(0, -3);
      shapes.push(label);
    }
    for (const [lane, actor] of lanes.entries()) {
      const y = lane * LANE_PX + LANE_PX / 2;
      shapes.push(makeSvg("line", { x1: NAME_PX, x2: width - 14, y1: y, y2: y, class: "lane" }));
      const name = makeSvg("text", { x: 0, y: y + 4, class: "name" });
      name.textContent = actor.length > 13 ? `${actor.slice(0, 12)}\u2026` : actor;
      shapes.push(name);
    }
    for (const mark of marks) {
      if (mark.at_ms < from || !lanes.includes(mark.actor)) continue;
      const shape = makeSvg("text", {
        x: x(mark.at_ms), y: lanes.indexOf(mark.actor) * LANE_PX + LANE_PX / 2 + (mark.what === "died" ? -1 : 11),
        "text-anchor": "middle", class: `mark ${mark.what}`,
      }); // a death above its lane, what followed in the same second below
      shape.textContent = SIGNS[mark.what] ?? "\u25cf";
      const title = makeSvg("title");
      title.textContent = `${clock(mark.at_ms)} ${mark.what}: ${mark.text}`;
      shape.append(title);
      shapes.push(shape);
    }
    setAttribute(place, "height", high);
    setAttribute(place, "viewBox", `0 0 ${width} ${high}`);
    place.replaceChildren(...shapes);
    this.#listTimeline(marks);
  }

  #listTimeline(marks) {
    const newest = marks.slice(-TIMELINE_LISTED).reverse();
    if (this.listed === this.timeline.version) return;
    this.listed = this.timeline.version;
    byId("timeline-list").replaceChildren(...newest.map((mark) => this.#told(mark)));
    setHidden(byId("timeline-none"), newest.length > 0);
  }

  #told(mark) {
    const line = make("li");
    const time = make("time", "", moment(mark.at_ms, this.nowMs));
    time.dateTime = isoTime(mark.at_ms);
    line.append(
      time,
      make("span", `mark ${mark.what}`, `${SIGNS[mark.what] ?? ""} ${mark.what}`),
      make("span", "what", mark.text),
    );
    return line;
  }

  // After a lost connection

  /** What has happened since `lostMs`, for who was without news until `backMs`. What is told has
      the server's times, the viewer's clock may be another's: only how long ago is the same. */
  tellOutage(lostMs, backMs, told) {
    const since = told.at_ms - (Date.now() - lostMs) - 1_500; // what took it away was just before
    const found = [
      ...this.timeline.items.filter((mark) => mark.at_ms >= since)
        .map((mark) => [mark.at_ms, mark.text]),
      ...this.events.items.filter((event) => event.at_ms >= since)
        .map((event) => [event.at_ms, event.text]),
    ];
    const startedMs = told.at_ms - told.status.uptime_s * 1000;
    if (startedMs >= since) found.push([startedMs, "hunter itself was started again"]);
    found.sort((one, other) => one[0] - other[0]);
    const texts = [];
    for (const [at, text] of found) {
      if (!texts.some((told) => told[1] === text)) texts.push([at, text]);
    }
    setText(
      byId("back-head"),
      `Connected again at ${clock(backMs)}, after ${duration((backMs - lostMs) / 1000)} without news`,
    );
    const lines = texts.slice(-TOLD_MAX).map(([at, text]) => {
      const line = make("li");
      line.append(make("time", "", clock(at)), make("span", "", text));
      return line;
    });
    if (!lines.length) lines.push(make("li", "", "Nothing is recorded of that time: hunter ran on"));
    byId("back-list").replaceChildren(...lines);
    setHidden(byId("back"), false);
  }
}
