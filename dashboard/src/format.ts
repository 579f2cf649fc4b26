// Numbers as people read them: three digits that matter, and a unit.

const NONE = "–";
const WHOLE = new Intl.NumberFormat("en");
const DATE = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export function count(value: number): string {
  return Number.isFinite(value) ? WHOLE.format(Math.round(value)) : NONE;
}

/** 1234567 -> "1.23 M" */
export function short(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e9) return `${digits(value / 1e9)} G`;
  if (size >= 1e6) return `${digits(value / 1e6)} M`;
  if (size >= 1e4) return `${digits(value / 1e3)} k`;
  return digits(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 100) return String(Math.round(value));
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function bytes(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let rest = value;
  while (rest >= 1024 && at < units.length - 1) {
    rest /= 1024;
    ++at;
  }
  return `${at === 0 ? Math.round(rest) : digits(rest)} ${units[at]}`;
}

export function milliseconds(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  return value >= 10_000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`;
}

export function seconds(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  if (value < 60) return `${digits(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
  if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3600)} h`;
}

/** "30 Nov, 15:04:05" */
export function date(unixMs: number): string {
  return DATE.format(unixMs);
}

/** "5 min ago" */
export function ago(unixSeconds: number, nowMs = Date.now()): string {
  const passed = nowMs / 1000 - unixSeconds;
  if (passed < 2) return "now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  return `${seconds(Math.floor(passed)).replace(/ \d+ s$/, "")} ago`;
}

export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return NONE;
  const share = (100 * part) / whole;
  return `${share > 0 && share < 1 ? "<1" : Math.round(share)} %`;
}

export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}
