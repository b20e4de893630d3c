// Numbers and times as a reader wants them: one style for all, times in the reader's zone, which is named.

/** Milliseconds in the unit that reads best; rounding never reaches the next unit. */
export function duration(ms) {
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return '';
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms === 0) return '0 ms';
  if (ms < 0.9995) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 9.95) return `${trimmed(ms, 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9995) return `${trimmed(ms / 1000, 2)} s`;
  if (ms < 59_950) return `${trimmed(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return parts(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1440) return parts(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  return `${count(trimmed(ms / 86_400_000, 1))} d`;
}

function parts(large, unit, small, smaller) {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`;
}

function trimmed(value, digits) {
  return String(Number(value.toFixed(digits)));
}

/** Microseconds since the session began. */
export function offset(us) {
  const sign = us < 0 ? '−' : '+';
  const ms = Math.abs(us) / 1000;
  if (ms < 999.5) return `${sign}${Math.round(ms)}ms`;
  if (ms < 59_995) return `${sign}${(ms / 1000).toFixed(2)}s`;
  const seconds = Math.floor(ms / 1000);
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const pad = (value) => String(value).padStart(2, '0');
  return hours === 0 ? `${sign}${pad(minutes)}:${pad(rest)}` : `${sign}${count(hours)}:${pad(minutes)}:${pad(rest)}`;
}

/** The name of the zone in which times are shown. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'local time';

const two = (value) => String(value).padStart(2, '0');

/** Date and time of day from microseconds since 1970. */
export function dateTime(us) {
  const at = new Date(Math.floor(us / 1000));
  if (Number.isNaN(at.getTime())) return `${us} µs`;
  return `${String(at.getFullYear()).padStart(4, '0')}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The same with microseconds and the distance from UTC. */
export function preciseTime(us) {
  const at = new Date(Math.floor(us / 1000));
  if (Number.isNaN(at.getTime())) return `${us} µs`;
  const behind = at.getTimezoneOffset();
  const size = Math.abs(behind);
  const fraction = String(((us % 1_000_000) + 1_000_000) % 1_000_000).padStart(6, '0');
  return `${dateTime(us)}.${fraction} ${behind > 0 ? '−' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** A machine-readable time for `<time>`. */
export function isoTime(us) {
  const at = new Date(Math.floor(us / 1000));
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** How long ago, by the collector's clock; what is yet to come says so. */
export function ago(us, now) {
  const seconds = Math.round((now - us) / 1e6);
  if (Number.isNaN(seconds)) return '';
  if (seconds < -60) return `in ${span(-seconds)}`;
  if (seconds < 5) return 'just now';
  return `${span(seconds)} ago`;
}

function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${count(Math.floor(seconds / 86_400))} d`;
}

/** A count with thin spaces between thousands. */
export function count(value) {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, '\u2009');
}

/** A count with its noun. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share as a percentage. */
export function percent(share) {
  const value = share * 100;
  if (value === 0) return '0 %';
  return value < 0.1 ? '< 0.1 %' : `${value < 10 ? trimmed(value, 1) : Math.round(value)} %`;
}

/** Time of day from milliseconds since 1970, with the zone. */
export function clockTime(ms) {
  return `${dateTime(ms * 1000).slice(11)} (${ZONE})`;
}
