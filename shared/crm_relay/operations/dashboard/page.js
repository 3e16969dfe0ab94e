// What every view does with the page: messages, confirmations, orders and details below a row.
import { Refused, get, token } from "./api.js";
import { byId, h } from "./dom.js";

let pressed = null, signOutOf = () => {}, refill = () => {};

// The last button that was pressed outside of a dialog: a refusal is said beside it too.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (button && !button.closest("dialog")) pressed = button;
}, true);

export function onSession({ signOut, fill }) {
  signOutOf = signOut;
  refill = fill;
}

function unsay() {
  for (const each of document.querySelectorAll(".refusal")) each.remove();
}

export function say(text, kind = "") {
  byId("message").dataset.kind = kind;
  byId("message").textContent = text;
  unsay();
  if (kind === "bad" && pressed?.isConnected) pressed.insertAdjacentElement("afterend", h("span", { class: "refusal" }, text));
}

// Whatever fails is said in words; a token that is refused is forgotten.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const signedOut = error.status === 401 && token.get();
    if (error.status === 401) signOutOf(signedOut ? "This token is not valid, or no longer." : error.message);
    else say(error.message, "bad");
    return undefined;
  }
}

// What was done is said, also where the page cannot be filled again after it.
export const act = (work, told) => attempt(async () => {
  const done = await work();
  let fault = "";
  try {
    await refill();
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    fault = ` What is shown is from before: ${error.message}.`;
  }
  say(told(done) + fault);
});

// `list`: what it will do, a line each. `why`: a reason may be given; `choices`: one of these has to be.
export function ask(title, text, yes, { why = false, choices = [], list = [], danger = false } = {}) {
  byId("confirm-why").hidden = !why;
  byId("confirm-whom").hidden = !choices.length;
  byId("confirm-choice").replaceChildren(...choices.map(([value, name]) => h("option", { value }, name)));
  byId("confirm-list").hidden = !list.length;
  byId("confirm-list").replaceChildren(...list.map((each) => h("li", null, each)));
  byId("confirm-reason").value = "";
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").className = danger ? "danger" : "primary";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

// Details open below their own row, and close by the same button.
export async function unfold(button, load, show) {
  const row = button.closest("tr");
  if (row.nextElementSibling?.dataset.detail) return row.nextElementSibling.remove();
  const found = await attempt(load);
  if (found) row.after(h("tr", { "data-detail": "yes" }, h("td", { colspan: row.children.length, class: "wide" }, show(found))));
  return undefined;
}

export const NEEDS_OPERATE = "This needs a token of the role operate.";

// A button that says why it cannot be pressed, where there is a reason; pressed all the same, it says so beside itself.
export function order(label, press, { why = null, name = null, kind = "small", data = {} } = {}) {
  const marks = Object.fromEntries(Object.entries(data).map(([key, value]) => [`data-${key}`, value]));
  const pressedThen = why ? () => say(why, "bad") : (event) => press(event.currentTarget);
  return h("button", { type: "button", class: kind, ...marks, "aria-label": name, "aria-disabled": why ? "true" : null, title: why, onclick: pressedThen }, label);
}

export const hrefOf = (path, query = {}) => {
  const said = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${path}${said ? `?${said}` : ""}`;
};
export const link = (path, text, query) => h("a", { href: hrefOf(path, query) }, text);
export const fetched = (path) => attempt(() => get(path));
