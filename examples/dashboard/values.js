/**
 * Makes what events carry into what the page can show. An event may have anything in any place, and any amount of it:
 * whoever may publish on a channel must not be able to take the page away from its readers.
 */

/** Text of at most `limit` characters; nothing for what is not there, JSON for what is no text. */
export function asText(value, limit = 200) {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : asJson(value);
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

function asJson(value) {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "…"; // nested so deeply that there is no stack for it
  }
}

/** A whole number from 1 to `limit`, or undefined. */
export const asCount = (value, limit) => (Number.isInteger(value) && value > 0 ? Math.min(value, limit) : undefined);
