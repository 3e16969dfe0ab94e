// What is wrong and what mends it; an incident is closed or put off by those who may operate.
import { post } from "./api.js";
import { at, bodyOf, byId, chip, choices, empty, h, number, section, sub, table } from "./dom.js";
import { NEEDS_OPERATE, act, ask, hrefOf, order } from "./page.js";

const isQuiet = (each) => each.snoozed_until && Date.parse(each.snoozed_until) > Date.now();
const named = (each) => each.title.replace(/\((e?s)\)/g, "");

function state(each) {
  if (each.closed_at) return [chip("good", "over"), each.closed_by ? sub(`closed by ${each.closed_by}`) : null];
  if (isQuiet(each)) return [chip("warn", "put off"), sub("until ", at(each.snoozed_until), each.snoozed_by ? ` by ${each.snoozed_by}` : "")];
  return chip("bad", each.is_told ? "open, alerted" : "open");
}

const mends = (each) => [each.mend?.text ?? "–", each.mend?.command ? h("code", { class: "command" }, each.mend.command) : null];

async function close(each) {
  if (await ask("Close this incident?", `${named(each)}. Nothing is mended by that: what is still true opens again with the next look.`, "Close"))
    await act(() => post(`/api/incidents/${each.id}/close`), (done) => (done.changed ? "The incident is closed." : "It was closed before."));
}
const HOURS = [["1", "an hour"], ["8", "8 hours"], ["24", "a day"], ["168", "a week"]];
async function snooze(each) {
  if (!(await ask("Put this incident off?", `${named(each)}. Until then it is not counted as open on this page, and no alert of it is sent. It comes back by itself.`, "Put off", { choices: HOURS }))) return;
  const hours = Number(byId("confirm-choice").value);
  await act(() => post(`/api/incidents/${each.id}/snooze`, { hours }), (done) => (done.changed ? "The incident is put off." : "It is over already."));
}
const wake = (each) => act(() => post(`/api/incidents/${each.id}/snooze`, { hours: 0 }), () => "The incident counts again.");

function buttons(each, role) {
  if (each.closed_at) return null;
  const why = role === "read" ? NEEDS_OPERATE : null, about = `${named(each)} #${each.id}`;
  return [isQuiet(each) ? order("Count again", () => wake(each), { why, name: `Count again ${about}`, data: { do: "wake" } })
    : order("Put off", () => snooze(each), { why, name: `Put off ${about}`, data: { do: "snooze" } }),
  order("Close", () => close(each), { why, name: `Close ${about}`, data: { do: "close" } })];
}

export function incidentTable(caption, rows, role) {
  return table(caption, [
    ["incident", (each) => [named(each), sub([each.subject, each.workspace_name].filter(Boolean).join(" · "))], "wrap"],
    ["state", state], ["since", (each) => [at(each.opened_at), each.closed_at ? sub("until ", at(each.closed_at)) : null]],
    ["what mends it", mends, "wrap"], ["", (each) => buttons(each, role), "act"],
  ], rows);
}

const STATES = [["open", "Open"], ["all", "All"]];
const stateOf = (here) => (here.query.get("state") === "all" ? "all" : "open");
const before = (here) => (/^\d+$/.test(here.query.get("before") ?? "") ? here.query.get("before") : null);
const PAGE = 25;

async function settle(each, wasSent) {
  const text = wasSent ? "The provider's log has it: it counts as sent." : "The provider's log does not have it. It is settled as not sent, and is not sent again.";
  if (await ask(wasSent ? "Settle as sent?" : "Settle as not sent?", text, "Settle"))
    await act(() => post(`/api/unknown-messages/${each.id}/${wasSent ? "sent" : "not-sent"}`), (done) => `${number(done.messages)} messages are settled.`);
}

function showUnknown(rows, role) {
  if (role === "read") return bodyOf("unknown").replaceChildren(empty(`Who they were for is personal data. ${NEEDS_OPERATE}`));
  const columns = [
    ["message", (each) => [each.channel, sub(each.recipient ?? "nobody who is known")], "wrap"], ["reason", (each) => each.reason ?? "–", "wrap"],
    ["since", (each) => at(each.left_at ?? each.queued_at)],
    ["", (each) => [order("It was sent", () => settle(each, true), { name: `It was sent ${each.id}`, data: { do: "sent" } }),
      order("It was not", () => settle(each, false), { name: `It was not sent ${each.id}`, data: { do: "not-sent" } })], "act"],
  ];
  return bodyOf("unknown").replaceChildren(rows.length ? table("Messages of unclear outcome", columns, rows) : empty("Of every message it is known whether it left."));
}

export const incidents = {
  title: "Incidents",
  parts: () => [],
  paths: (here, role) => [`/api/incidents?limit=${PAGE + 1}&open=${stateOf(here) === "open"}${before(here) ? `&before=${before(here)}` : ""}`,
    ...(role === "read" ? [] : ["/api/unknown-messages?limit=100"])],
  mount: () => [section("incidents", "Incidents"), section("unknown", "Messages of unclear outcome", { note: "nobody knows whether they left; the provider's log does" })],
  show(data, [rows, unknown], here) {
    byId("view-tools").replaceChildren(choices("Which incidents", STATES, stateOf(here), (state) => hrefOf("incidents", { state })));
    byId("incidents-note").textContent = data.outstanding.incidents ? `${number(data.outstanding.incidents)} open` : "none open";
    const shown = rows.slice(0, PAGE);
    const more = rows.length > PAGE ? h("p", { class: "paging" }, h("a", { href: hrefOf("incidents", { state: stateOf(here), before: shown.at(-1).id }) }, "Older ones")) : null;
    bodyOf("incidents").replaceChildren(shown.length ? incidentTable("Incidents", shown, data.role) : empty(before(here) ? "There is none that is older." : "Nothing is wrong."), ...(more ? [more] : []));
    showUnknown(unknown ?? [], data.role);
  },
};
