import { ANSWER_TIMEOUT } from "./limits.js";

export const failure = (message, status, isFinal) => Object.assign(new Error(message), { status, isFinal });

/** Whether the answer was a clear no, so that asking again would be in vain. */
export const isRefusal = ({ status, isFinal }) =>
  isFinal ?? (status >= 400 && status < 500 && status !== 408 && status !== 429);

/** Rejects when the time of an answer is over. */
export function within(promise, { setTimeout, clearTimeout }, who) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(failure(`${who} gave no answer within 10 s`)), ANSWER_TIMEOUT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Asks the backend, by a function of the application's or a POST to a URL. Each way in which an answer can be wrong has
 * its own words, and the URL in them without its query, which may hold something secret.
 */
export async function ask(connection, target, body, { values = Object.values(body), isJson = true } = {}) {
  const { credentials = "include" } = connection._options;
  const platform = connection._platform;
  if (typeof target === "function") {
    try {
      return await within(target(...values), platform, "the application's function");
    } catch (reason) {
      throw failure(reason?.message ?? `${reason}`, reason?.status);
    }
  }
  const place = (url) => url.split(/[?#]/)[0];
  const url = place(target);
  const read = async () => {
    const headers = { "Content-Type": "application/json" };
    const request = { method: "POST", credentials, headers, body: JSON.stringify(body) };
    const response = await platform.fetch(target, request).catch(({ message }) => {
      // A browser does not tell a script which of them it was.
      throw failure(`${url} cannot be read (${message}): no network, or CORS does not allow this page's origin`);
    });
    if (response.redirected) throw failure(`${url} redirects to ${place(response.url)}; is it a login?`, undefined, true);
    if (!response.ok) throw failure(`${url} answered ${response.status}`, response.status);
    if (/html/.test(response.headers.get("content-type"))) throw failure(`${url} answered with HTML instead of JSON`);
    return isJson && response.json().catch(() => Promise.reject(failure(`${url} answered with what is not JSON`)));
  };
  return within(read(), platform, url);
}
