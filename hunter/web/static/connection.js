// The WebSocket: opened, watched, and opened again for ever. A connection over which nothing comes
// is as lost as a closed one: a process that was stopped keeps its sockets open.
//
// While hunter is away each attempt is a plain request first, which also tells whether a token is
// asked for now; the WebSocket follows when somebody answers.

const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 5_000;
const SILENT_MAX_MS = 3_000;

export class Connection {
  /** `on`: {message(object), up(), down(sinceMs, why), locked()} */
  constructor(on) {
    this.on = on;
    this.socket = null;
    this.isUp = false;
    this.waitMs = WAIT_MIN_MS;
    this.heardMs = 0;
    this.timer = 0;
    this.probes = false;
    this.attempts = 0;
    setInterval(() => this.#look(), 500);
    // a phone that was asleep: at once, not after the next wait
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.socket) this.#again(0);
    });
  }

  open() {
    this.timer = 0;
    this.attempts += 1;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    this.socket = socket;
    this.heardMs = Date.now();
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      this.heardMs = Date.now();
      let told = null;
      try {
        told = JSON.parse(event.data);
      } catch {
        return; // not one of ours
      }
      if (!this.isUp) {
        this.isUp = true;
        this.waitMs = WAIT_MIN_MS;
        this.on.up();
      }
      this.on.message(told);
    });
    socket.addEventListener("close", (event) => this.#lost(socket, event.reason));
  }

  show(instrument) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "show", instrument }));
    }
  }

  #look() {
    if (this.socket && Date.now() - this.heardMs > SILENT_MAX_MS) {
      const silent = this.socket;
      this.#lost(silent);
      silent.close();
    }
  }

  #lost(socket, why = "") {
    if (socket !== this.socket) return;
    this.socket = null;
    this.isUp = false;
    this.on.down(this.heardMs, why);
    this.#again(this.waitMs);
  }

  #again(afterMs) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#probe(), afterMs);
    this.waitMs = Math.min(WAIT_MAX_MS, this.waitMs * 2);
  }

  async #probe() {
    if (this.probes || this.socket) return;
    this.probes = true;
    let answer = null;
    try {
      answer = await fetch("/api/status", {
        cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(SILENT_MAX_MS),
      });
    } catch {
      // nobody there yet
    }
    this.probes = false;
    if (this.socket) return;
    if (answer && (answer.status === 401 || answer.type === "opaqueredirect")) this.on.locked();
    if (answer?.ok) this.open();
    else this.#again(this.waitMs);
  }
}
