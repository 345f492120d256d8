/** The backend that served this page: who is signed in, and requests with that session. */

const PATIENCE = 5000; // milliseconds; a backend that hangs is one that does not answer
const SILENT = "The backend does not answer";

/** Throws an Error where nothing answers, or something else than the backend does. */
export async function config() {
  const asked = Date.now();
  const answer = await request("GET", "/config.json");
  const answered = Date.now();
  // The backend's clock minus ours. A difference that the request itself may have made is none.
  const skew = answer.time * 1000 - (asked + answered) / 2;
  return { ...answer, skew: Math.abs(skew) <= answered - asked ? 0 : skew };
}

/** Throws an Error with the backend's reason as its message and, if it answered at all, the HTTP status as `status`. */
export async function request(method, path, body) {
  const json = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response, text;
  try {
    response = await fetch(path, { method, ...json, signal: AbortSignal.timeout(PATIENCE) });
    text = await response.text();
  } catch (error) {
    throw new Error(SILENT, { cause: error }); // the browser's own words differ and say less
  }
  const answer = parsed(text);
  if (response.ok && (answer !== undefined || !text)) return answer;
  const reason = typeof answer?.detail === "string" ? answer.detail : `The backend answered ${response.status}`;
  throw Object.assign(new Error(reason), { status: response.status });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a link such as `/#demo:password` fills in; taken out of the address, so that it is in no history and no picture. */
export function credentialsOfAddress() {
  const [user, ...password] = location.hash.slice(1).split(":");
  if (!password.length) return undefined;
  history.replaceState(null, "", location.pathname);
  return { user, password: decoded(password.join(":")) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
