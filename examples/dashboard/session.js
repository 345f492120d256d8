/** The backend that served this page: who is signed in, and requests with that session. */

export async function config() {
  const asked = Date.now();
  const answer = await (await fetch("/config.json")).json();
  const answered = Date.now();
  // The backend's clock minus ours. A difference that the request itself may have made is none.
  const skew = answer.time * 1000 - (asked + answered) / 2;
  return { ...answer, skew: Math.abs(skew) <= answered - asked ? 0 : skew };
}

/** Throws an Error with the backend's reason as its message and the HTTP status as `status`. */
export async function request(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body && { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok) return text && JSON.parse(text);
  throw Object.assign(new Error(reason(text) ?? `the backend answered ${response.status}`), { status: response.status });
}

function reason(text) {
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : undefined;
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
