// Numbers and times as people read them. Pure.

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
});
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });
const DAY_MS = 86_400_000;
const GROUPED = new Intl.NumberFormat("en-US");
const FIXED = new Map();

/** 12:01:03, of the viewer's time zone. */
export function clock(atMs) {
  return CLOCK.format(atMs);
}

/** With the day, when it is not today's. */
export function moment(atMs, nowMs) {
  return nowMs - atMs > DAY_MS / 2 ? `${DAY.format(atMs)} ${clock(atMs)}` : clock(atMs);
}

export function isoTime(atMs) {
  return new Date(atMs).toISOString();
}

export function count(value) {
  return GROUPED.format(Math.round(value));
}

export function fixed(value, digits) {
  if (!FIXED.has(digits)) {
    FIXED.set(digits, new Intl.NumberFormat("en-US", {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    }));
  }
  return FIXED.get(digits).format(value);
}

/** Three digits that matter: 0.0123, 12.3, 12,345. */
export function rough(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return GROUPED.format(Math.round(value));
  if (size >= 1) return fixed(value, 2);
  return String(Number(value.toPrecision(3)));
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) {
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  }
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function milliseconds(value) {
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 10_000 ? `${Math.round(value)} ms` : duration(value / 1000);
}

export function microseconds(value) {
  if (value < 10) return `${value.toFixed(1)} \u00b5s`;
  if (value < 10_000) return `${count(value)} \u00b5s`;
  return milliseconds(value / 1000);
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let size = value / 1024;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** How many digits after the point a price has. */
export function digitsOf(value) {
  const text = String(value);
  if (text.includes("e-")) return 8;
  const point = text.indexOf(".");
  return point < 0 ? 0 : Math.min(8, text.length - point - 1);
}
