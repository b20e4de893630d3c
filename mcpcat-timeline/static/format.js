// Numbers and times as a reader wants them.

/** Milliseconds in the unit that reads best. */
export function duration(ms) {
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return '';
  if (ms === 0) return '0 ms';
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${trim(ms, 1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${trim(ms / 1000, ms < 10_000 ? 2 : 1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
  return `${trim(ms / 86_400_000, 1)} d`;
}

function trim(value, digits) {
  return String(Number(value.toFixed(digits)));
}

/** An ISO time as microseconds since 1970; finer than `Date` keeps. */
export function micros(iso) {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return NaN;
  const fraction = /\.(\d+)/.exec(iso)?.[1] ?? '';
  const beyond = Number(fraction.padEnd(6, '0').slice(3, 6));
  return Math.floor(ms) * 1000 + (Number.isNaN(beyond) ? 0 : beyond);
}

/** Time since the session began. */
export function offset(us) {
  const ms = us / 1000;
  const sign = ms < 0 ? '−' : '+';
  const size = Math.abs(ms);
  if (size < 1000) return `${sign}${Math.round(size)}ms`;
  if (size < 60_000) return `${sign}${(size / 1000).toFixed(2)}s`;
  const seconds = Math.floor(size / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const [hours, minutes, rest] = parts.map((part) => String(part).padStart(2, '0'));
  return hours === '00' ? `${sign}${minutes}:${rest}` : `${sign}${parts[0]}:${minutes}:${rest}`;
}

// Made once: a formatter costs far more than what it formats.
const DATE_TIME = new Intl.DateTimeFormat(undefined, {
  year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
});

/** Date and time of day, local. */
export function dateTime(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? String(iso) : DATE_TIME.format(at);
}

/** Time of day with milliseconds, local. */
export function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return String(iso);
  const pad = (value, width = 2) => String(value).padStart(width, '0');
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

/** How long ago. */
export function ago(iso, now = Date.now()) {
  const seconds = Math.round((now - Date.parse(iso)) / 1000);
  if (Number.isNaN(seconds)) return '';
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A count with thin spaces between thousands. */
export function count(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** A count with its noun. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}
