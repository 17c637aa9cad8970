// The page: takes what the connection brings, hands it to the views, draws at most five times a
// second and not at all while nobody looks.

import { Connection } from "./connection.js";
import { byId, make, setHidden, setText } from "./dom.js";
import { clock } from "./format.js";
import { forgetColours, Market } from "./market.js";
import { Story } from "./story.js";
import { System } from "./system.js";

const DRAW_EVERY_MS = 200;
const RETELL_MS = 10_000; // what is recorded of an outage may come a little after the connection

class Page {
  constructor() {
    this.market = new Market();
    this.system = new System();
    this.story = new Story();
    this.instruments = [];
    this.instrument = "";
    this.status = null;
    this.version = "";
    this.lost = null; // when the connection was lost, while it is
    this.outage = null; // the one that is being told
    this.isDirty = false;
    this.#listen();
    this.connection = new Connection({
      message: (told) => this.#take(told),
      up: () => this.#up(),
      down: (sinceMs, why) => this.#down(sinceMs, why),
      locked: () => setHidden(byId("locked"), false),
    });
    this.connection.open();
    setInterval(() => this.#draw(), DRAW_EVERY_MS);
  }

  #take(told) {
    if (told.type === "history") this.#takeHistory(told);
    else if (told.type === "now") this.#takeNow(told);
    else if (told.type === "latency") this.stages = told.stages;
    this.isDirty = true;
  }

  #takeHistory(told) {
    if (this.version && told.version !== this.version) {
      setText(byId("newer"), `hunter is version ${told.version} now; this page is of ${this.version}: reload it`);
      setHidden(byId("newer"), false);
    }
    this.version ||= told.version;
    if (told.instruments.join() !== this.instruments.join()) this.#offer(told.instruments);
    const wanted = this.instrument;
    if (wanted && wanted !== told.instrument && told.instruments.includes(wanted)) {
      this.connection.show(wanted); // a new connection begins with the first one
    } else {
      this.instrument = told.instrument;
      byId("instrument").value = told.instrument;
      this.market.takeHistory(told);
    }
    this.story.take(told);
  }

  #takeNow(told) {
    this.status = told.status;
    if (told.instrument === this.instrument) this.market.takeNow(told);
    this.story.take(told);
    this.#tellOutage(told);
  }

  /** At once, and again while more of it becomes known. */
  #tellOutage(told) {
    if (!this.outage) return;
    const isOld = Date.now() - this.outage.backMs > RETELL_MS;
    const isTold = this.outage.isTold;
    if (!isTold || (!isOld && told.events.length + told.timeline.length > 0)) {
      this.story.tellOutage(this.outage.lostMs, this.outage.backMs, told);
    }
    if (isOld || (isTold && byId("back").hidden)) this.outage = null; // the viewer has read it
    else this.outage.isTold = true;
  }

  #offer(instruments) {
    this.instruments = instruments;
    byId("instrument").replaceChildren(...instruments.map((name) => {
      const option = make("option", "", name);
      option.value = name;
      return option;
    }));
  }

  #choose(instrument) {
    if (!instrument || instrument === this.instrument) return;
    this.instrument = instrument;
    byId("instrument").value = instrument;
    this.connection.show(instrument);
    setText(byId("said"), `showing ${instrument}`);
  }

  #up() {
    setHidden(byId("banner"), true);
    setHidden(byId("locked"), true);
    document.body.classList.remove("lost", "waiting");
    if (this.lost !== null) this.outage = { lostMs: this.lost, backMs: Date.now(), isTold: false };
    this.lost = null;
  }

  #down(sinceMs, why) {
    setText(byId("banner-why"), why ? ` (it said: ${why})` : "");
    if (this.lost !== null) return;
    this.lost = sinceMs;
    document.body.classList.remove("waiting");
    document.body.classList.add("lost");
    setText(byId("banner-text"), `No connection to hunter since ${clock(sinceMs)}, trying again`);
    setHidden(byId("banner"), false);
    setHidden(byId("back"), true);
    setText(byId("state-word"), "no connection");
    setText(byId("state-sign"), "\u25a0");
    byId("state").className = "chip bad";
    document.title = "no connection \u00b7 hunter";
    this.system.state = "";
    this.isDirty = false;
  }

  #draw() {
    if (!this.isDirty || document.hidden || this.lost !== null || !this.status) return;
    this.isDirty = false;
    this.system.render(this.status, this.instrument);
    if (this.stages) this.system.renderLatency(this.stages);
    this.stages = null;
    this.market.render();
    this.story.render();
  }

  // What the viewer does

  #listen() {
    byId("instrument").addEventListener("change", (event) => this.#choose(event.target.value));
    byId("theme").addEventListener("click", () => this.#nextTheme());
    byId("all-feeds").addEventListener("change", () => { this.isDirty = true; });
    byId("timeline-span").addEventListener("change", () => { this.isDirty = true; });
    byId("help-open").addEventListener("click", () => byId("help").showModal());
    byId("help-close").addEventListener("click", () => byId("help").close());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#recolour());
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#nameTheme(window.hunterTheme.current());
  }

  #nextTheme() {
    this.#nameTheme(window.hunterTheme.next());
    this.#recolour();
  }

  #nameTheme(choice) {
    setText(byId("theme"), `Theme: ${choice}`);
  }

  #recolour() {
    forgetColours();
    this.market.render();
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
    const isTyping = event.target.matches("input, select, textarea");
    if (isTyping) {
      if (event.key === "Escape" && event.target === byId("filter")) {
        event.target.value = "";
        event.target.dispatchEvent(new Event("input"));
        byId("main").focus();
      }
      return;
    }
    if (/^[1-9]$/.test(event.key)) this.#choose(this.instruments[Number(event.key) - 1]);
    else if (event.key === "ArrowLeft") this.#step(-1);
    else if (event.key === "ArrowRight") this.#step(1);
    else if (event.key === "t") this.#nextTheme();
    else if (event.key === "/") {
      event.preventDefault();
      byId("filter").focus();
    } else if (event.key === "?") byId("help").showModal();
  }

  #step(by) {
    const count = this.instruments.length;
    if (count) this.#choose(this.instruments[(this.instruments.indexOf(this.instrument) + by + count) % count]);
  }
}

new Page();
