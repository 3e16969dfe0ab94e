// Builds elements without a single string of HTML, so that nothing from outside can become markup.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const byId = (id) => document.getElementById(id);
export const bodyOf = (id) => document.querySelector(`#${id} > .body`);
export const empty = (text) => h("p", { class: "empty" }, text);

const MARKS = { good: "●", warn: "▲", bad: "■", unknown: "○" };
export const chip = (state, text) =>
  h("span", { class: "chip", "data-state": state }, h("span", { "aria-hidden": "true" }, MARKS[state]), text);

const numbers = new Intl.NumberFormat("en");
export const number = (value) => (value === null || value === undefined ? "–" : numbers.format(value));
export const upTo = (value, most = 1000) => (value > most ? `more than ${number(most)}` : number(value));
export const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : `${value.toFixed(digits)} %`);

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
export function ago(text, now = Date.now()) {
  if (!text) return "never";
  const seconds = Math.max(0, (now - Date.parse(text)) / 1000);
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) ?? [];
  if (!unit) return "just now";
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}
export function duration(seconds) {
  if (seconds === null || seconds === undefined || seconds < 0) return "–";
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
const moments = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });
export const at = (text) => (text ? h("time", { datetime: text, title: text }, moments.format(new Date(text))) : "–");
export const words = (name) => name.replaceAll("_", " ");

// Columns: [heading, cell of a row, "n" for numbers | "wrap" | "act"]. The first column names the row.
// `cards`: on a narrow screen each row becomes a card, in which the cells are named by their headings.
export function table(caption, columns, rows, cards = true) {
  const cell = (row, [heading, of, kind], place) =>
    h("td", { class: [kind ?? "", kind === "wrap" ? "wide" : "", place ? "" : "first"].join(" ").trim(), "data-label": kind === "act" || !place ? null : heading }, of(row));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: cards ? "cards" : null },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", null, h("tr", null, columns.map(([heading, , kind]) => h("th", { scope: "col", class: kind ?? null }, heading)))),
      h("tbody", null, rows.map((row) => h("tr", null, columns.map((column, place) => cell(row, column, place)))))));
}

// A part of a view: its heading, a note beside it, what may be pressed, and a body that is filled at every look.
export function section(id, title, { note = "", tools = [], before = null } = {}) {
  return h("section", { id, "aria-labelledby": `h-${id}` },
    h("header", null, h("h2", { id: `h-${id}` }, title), h("p", { class: "note", id: `${id}-note` }, note), tools.length ? h("div", { class: "tools" }, tools) : null),
    before, h("div", { class: "body" }));
}

export const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) =>
  h("div", null, h("dt", null, name), h("dd", null, value))));
export const sub = (...parts) => h("span", { class: "sub" }, ...parts);
export const many = (count, one, more = `${one}s`) => `${number(count)} ${count === 1 ? one : more}`;

// What differs between two versions of a row, field by field.
export function differences(before, after) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  const text = (value) => (value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
  const changed = names.filter((name) => text(before?.[name]) !== text(after?.[name]));
  if (!changed.length) return empty("Both say the same.");
  return h("table", { class: "diff" }, h("tbody", null, changed.map((name) =>
    h("tr", null, h("th", { scope: "row" }, words(name)), h("td", null, h("del", null, text(before?.[name]))), h("td", null, h("ins", null, text(after?.[name])))))));
}

// Which of several ranges or states is shown; each is an address, so that it can be kept and sent to somebody.
export const choices = (label, options, current, hrefOf) => h("div", { class: "choices-of", role: "group", "aria-label": label }, options.map(([value, name]) =>
  h("a", { href: hrefOf(value), "aria-current": String(value) === String(current) ? "true" : null }, name)));
