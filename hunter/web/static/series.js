// What is kept for the charts, and never more than that. Pure.

export const POINTS_MAX = 2_000;
const KEPT_MS = 16 * 60_000;
const FINE_MS = 60_000; // the newest minute in full, what is older by the second
const COARSE_MS = 1_000;

/** Points in order of time. */
export class Series {
  constructor() {
    this.t = [];
    this.v = [];
  }

  replace(t, v) {
    this.t = [];
    this.v = [];
    this.add(t, v);
  }

  add(t, v) {
    for (let place = 0; place < t.length; place += 1) {
      const newest = this.t.length ? this.t[this.t.length - 1] : -Infinity;
      // the chart needs an ascending axis: of two trades in one millisecond the later counts
      if (t[place] > newest) {
        this.t.push(t[place]);
        this.v.push(v[place]);
      } else if (t[place] === newest) {
        this.v[this.v.length - 1] = v[place];
      }
    }
    if (this.t.length > POINTS_MAX) this.#thin();
  }

  /** The value at a time, of the point before it; null before the first. */
  at(t) {
    let low = 0;
    let high = this.t.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low ? this.v[low - 1] : null;
  }

  #thin() {
    const newest = this.t[this.t.length - 1];
    this.#keep((place) => {
      const at = this.t[place];
      if (at < newest - KEPT_MS) return false;
      if (at > newest - FINE_MS) return true;
      const next = this.t[place + 1];
      return next === undefined || Math.floor(at / COARSE_MS) !== Math.floor(next / COARSE_MS);
    });
    if (this.t.length > POINTS_MAX * 0.8) this.#keep((place) => place % 2 === 0);
  }

  #keep(wanted) {
    const places = this.t.map((_, place) => place).filter(wanted);
    this.v = places.map((place) => this.v[place]);
    this.t = places.map((place) => this.t[place]);
  }
}

/** The newest of a kind, oldest first. Each once: a history tells again what came before it. */
export class Newest {
  constructor(limit, keyOf) {
    this.limit = limit;
    this.keyOf = keyOf;
    this.items = [];
    this.version = 0;
  }

  replace(items) {
    this.items = [];
    this.version += 1;
    this.add(items);
  }

  add(items) {
    if (!items.length) return;
    const known = new Set(this.items.map(this.keyOf));
    for (const item of items) {
      const key = this.keyOf(item);
      if (!known.has(key)) {
        known.add(key);
        this.items.push(item);
      }
    }
    this.items.sort((one, other) => one.at_ms - other.at_ms);
    this.items = this.items.slice(-this.limit);
    this.version += 1;
  }
}
