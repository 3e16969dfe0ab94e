// Talks to the API. The token lives in this tab's sessionStorage and goes as Authorization: no cookie, so nothing to forge.
const KEY = "crm-relay-token";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

export class Refused extends Error {
  constructor(status, message, details) {
    super(details?.length ? `${message}: ${details.join("; ")}` : message);
    this.status = status;
  }
}

async function call(method, path, body) {
  if (!token.get()) throw new Refused(401, "Sign in first: this needs a token", []);
  const headers = { authorization: `Bearer ${token.get()}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Refused(0, "The API cannot be reached", []);
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, found.error ?? found.message ?? `Status ${answer.status}`, found.details);
  return found;
}

// The code of a link, for a token: the one call that needs none. It goes in the body, since addresses are logged.
export async function exchange(code) {
  let answer;
  try {
    answer = await fetch("/api/session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }), cache: "no-store" });
  } catch {
    throw new Refused(0, "The API cannot be reached: open the link once more");
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, answer.status === 422 ? "This is no link that signs in" : found.error ?? found.message ?? `Status ${answer.status}`);
  token.set(found.token);
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
