const KEPT = 240; // the newest; as many as the curve shows
const DAY = 24 * 3600 * 1000; // milliseconds

/**
 * When the backend sent an event, in milliseconds since 1970 by its clock: the first 44 bits, which is 11 hexadecimal
 * digits, of the envelope's id. NaN where there is none, or one that is no time of today.
 */
export function sentAt(envelope, now) {
  const id = envelope?.id;
  const sent = typeof id === "string" && /^[0-9a-f]{11}/.test(id) ? parseInt(id.slice(0, 11), 16) : NaN;
  return Math.abs(now - sent) < DAY ? sent : NaN;
}

export class Latencies {
  values = []; // milliseconds, oldest first

  add(value) {
    if (!Number.isFinite(value)) return;
    this.values.push(value);
    if (this.values.length > 2 * KEPT) this.values.splice(0, this.values.length - KEPT);
  }

  /** The highest of the lowest `share` of the newest, or undefined before the first. */
  quantile(share) {
    const sorted = this.values.slice(-KEPT).sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  }

  /** Draws the newest as bars, the highest as high as the canvas. */
  draw(canvas) {
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    if (canvas.width !== width * scale || canvas.height !== height * scale) {
      canvas.width = width * scale;
      canvas.height = height * scale;
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(canvas).color;
    const values = this.values.slice(-Math.min(KEPT, Math.floor(width / 3)));
    const highest = Math.max(10, ...values); // 10 ms: below, differences are noise
    values.forEach((value, i) => {
      const bar = Math.max(1, (value / highest) * height);
      context.fillRect(width - 3 * (values.length - i), height - bar, 2, bar);
    });
  }
}

export const inMilliseconds = (value) => (value === undefined || Number.isNaN(value) ? "–" : `${Math.round(value)} ms`);
