// The other parts of the board, each from its rows; what there is nothing of says so.
import { ago, at, bodyOf, byId, chip, empty, h, number, percent, table, upTo, words } from "./dom.js";
import { lines } from "./charts.js";

function webhook(each) {
  if (!each.has_webhook) return chip("unknown", "none");
  if (each.is_silent) return chip("bad", "silent");
  return each.is_healthy ? chip("good", "healthy") : chip("bad", each.deliveries_24h ? "failing" : "silent");
}

export function showWorkspaces(rows) {
  const columns = [
    ["workspace", (each) => each.name],
    ["webhook", (each) => [webhook(each), each.rejected_in_a_row ? h("span", { class: "sub" }, `${number(each.rejected_in_a_row)} refused in a row`) : null]],
    ["last", (each) => ago(each.last_webhook_at)],
    ["deliveries", (each) => number(each.deliveries_24h), "n"], ["success", (each) => percent(each.success_rate_24h), "n"],
    ["sent", (each) => number(each.emails_sent), "n"], ["replies", (each) => number(each.replies), "n"],
    ["interested", (each) => number(each.interested), "n"], ["bounced", (each) => number(each.bounced), "n"],
    ["unsubscribed", (each) => number(each.unsubscribed), "n"],
    ["senders up", (each) => (each.accounts ? `${number(each.connected_accounts)} of ${number(each.accounts)}` : "–"), "n"],
  ];
  bodyOf("workspaces").replaceChildren(rows.length ? table("Workspaces", columns, rows) : empty("No workspace yet."));
}

export function showProviders(rows) {
  const days = [...new Set(rows.map((each) => each.day))];
  const names = [...new Set(rows.map((each) => each.provider))];
  if (!days.length) return bodyOf("providers").replaceChildren(empty("No daily snapshot yet; the first one is taken tonight."));
  const found = new Map(rows.map((each) => [`${each.day}|${each.provider}`, each]));
  const of = (name, value) => days.map((day) => { const row = found.get(`${day}|${name}`); return row ? value(row) : null; });
  const sum = (list, field) => list.reduce((total, each) => total + each[field], 0);
  const total = (field) => days.map((day) => sum(rows.filter((each) => each.day === day), field));
  const rate = (each) => {
    const own = rows.filter((row) => row.provider === each.name);
    const sent = sum(own, "sent");
    return sent ? percent((100 * sum(own, "replies")) / sent, 2) : "–";
  };
  const rates = names.slice(0, 6).map((name) => ({ name, values: of(name, (row) => (row.sent ? (100 * row.replies) / row.sent : null)) }));
  const sent = [{ name: "sent by all senders", values: total("sent") }];
  const last = rows.filter((each) => each.day === days.at(-1));
  bodyOf("providers").replaceChildren(h("div", { class: "charts" },
    lines("Reply rate by provider", " %", days, rates, rate),
    lines("E-mails a day", "", days, sent, () => number(sum(rows, "sent"))),
    table("Sender accounts on the last day", [
      ["provider", (each) => each.provider], ["accounts", (each) => number(each.accounts), "n"],
      ["connected", (each) => number(each.connected_accounts), "n"], ["sent", (each) => number(each.sent), "n"],
      ["replies", (each) => number(each.replies), "n"],
    ], last, false)));
}

// What differs between two versions of a row, field by field.
export function differences(before, after) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  const text = (value) => (value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
  const changed = names.filter((name) => text(before?.[name]) !== text(after?.[name]));
  if (!changed.length) return empty("Both say the same.");
  return h("table", { class: "diff" }, h("tbody", null, changed.map((name) =>
    h("tr", null, h("th", { scope: "row" }, words(name)), h("td", null, h("del", null, text(before?.[name]))), h("td", null, h("ins", null, text(after?.[name])))))));
}

export function showConflicts(rows, { compare, revert }) {
  const columns = [
    ["row", (each) => [each.entity, h("span", { class: "sub mono" }, each.row_id.slice(0, 8))]],
    ["differing", (each) => [each.differing.map(words).join(", ") || "–", h("span", { class: "sub" }, each.rule)], "wrap"],
    ["won", (each) => (each.winner === "edge" ? "Edge" : "PostgreSQL")],
    ["decided", (each) => at(each.decided_at)],
    ["", (each) => each.reverted_at
      ? chip("unknown", `reverted by ${each.reverted_by}`)
      : [h("button", { type: "button", class: "small", onclick: (event) => compare(each, event.target) }, "Compare"),
        h("button", { type: "button", class: "small", "data-revert": each.id, "aria-label": `Bring back the other version of conflict ${each.id}`, onclick: () => revert(each) }, "Revert")], "act"],
  ];
  bodyOf("conflicts").replaceChildren(rows.length ? table("Conflicts", columns, rows) : empty("No conflict: the two sides agree."));
}

export function showIncidents(rows) {
  const open = rows.filter((each) => !each.closed_at);
  byId("incidents-note").textContent = open.length ? `${number(open.length)} open` : "none open";
  const columns = [
    ["incident", (each) => [each.title.replace(/\((e?s)\)/g, ""), h("span", { class: "sub" }, [each.subject, each.workspace_name].filter(Boolean).join(" · "))], "wrap"],
    ["state", (each) => (each.closed_at ? chip("good", "over") : chip("bad", each.is_told ? "open, told" : "open"))],
    ["since", (each) => at(each.opened_at)],
    ["until", (each) => (each.closed_at ? at(each.closed_at) : "–")],
  ];
  bodyOf("incidents").replaceChildren(rows.length ? table("Incidents", columns, rows.slice(0, 15)) : empty("Nothing is wrong, and nothing was lately."));
}

export function showDeadLetters(found, { replay }) {
  byId("dead-note").textContent = `${upTo(found.failed_tasks_waiting)} given up · ${upTo(found.deliveries_waiting)} not applied yet`;
  byId("replay-all").hidden = !(found.failed_tasks_waiting + found.deliveries_waiting);
  const columns = [
    ["message", (each) => `${each.source} #${each.id}`], ["since", (each) => at(each.failed_at)],
    ["reason", (each) => each.error ?? "–", "wrap"],
    ["", (each) => h("button", { type: "button", class: "small", "data-replay": each.id, "aria-label": `Replay message ${each.id}`, onclick: () => replay(each) }, "Replay"), "act"],
  ];
  bodyOf("dead-letters").replaceChildren(found.failed_tasks.length ? table("Dead letters", columns, found.failed_tasks) : empty("No message was given up."));
}

// What could not be looked at is not called clean.
function unseen(check) {
  const whats = Object.groupBy(Object.keys(check.unseen), (what) => check.unseen[what]);
  return Object.entries(whats).map(([why, names]) =>
    h("span", { class: "sub" }, `not seen${names.some((name) => name !== check.check && name !== "all") ? ` ${names.join(", ")}` : ""}: ${why}`));
}

export function showIntegrity(found, { compare, undo }) {
  const run = found.runs[0];
  byId("integrity-note").textContent = !run ? "" : run.finished_at
    ? `last check ${ago(run.finished_at)} by ${run.ordered_by}${run.status === "success" ? "" : `, ${run.status}`}`
    : `a check of ${run.ordered_by} is at work`;
  if (!run) return bodyOf("integrity").replaceChildren(empty("No check has run yet."));
  const told = found.checks.filter((each) => each.found || each.standing || Object.keys(each.unseen).length);
  const clean = found.checks.filter((each) => !told.includes(each)).map((each) => words(each.check));
  const checks = [told.length ? table("Checks of the last run", [
    ["check", (each) => [words(each.check), ...unseen(each)]], ["found", (each) => number(each.found), "n"], ["fixed", (each) => number(each.fixed), "n"],
    ["standing", (each) => number(each.standing), "n"],
    ["", (each) => (each.asks ? chip("bad", "asks") : each.standing ? chip("warn", "look") : Object.keys(each.unseen).length ? chip("unknown", "not seen") : chip("good", "mended")), "act"],
  ], told, false) : null, clean.length ? h("p", { class: "clean" }, chip("good", `${number(clean.length)} clean`), h("span", { class: "note" }, clean.join(", "))) : null];
  const findings = found.findings.length ? table("Findings", [
    ["finding", (each) => [words(each.check_name), h("span", { class: "sub mono" }, `${each.entity} ${(each.row_id ?? "").slice(0, 8)}`)]],
    ["what", (each) => each.what ?? "–", "wrap"], ["state", (each) => chip(each.status === "needs_approval" ? "bad" : "warn", words(each.status))],
    ["since", (each) => at(each.found_at)],
  ], found.findings) : empty("Nothing stands open.");
  const fixes = found.fixes.length ? table("Fixes", [
    ["fix", (each) => [words(each.action), h("span", { class: "sub mono" }, `${each.entity} ${(each.row_id ?? "").slice(0, 8)}`)], "wrap"],
    ["when", (each) => [at(each.fixed_at), h("span", { class: "sub" }, `by ${each.fixed_by}`)]],
    ["", (each) => each.reverted_at
      ? chip("unknown", `undone by ${each.reverted_by}`)
      : [h("button", { type: "button", class: "small", onclick: (event) => compare(each, event.target) }, "Before/after"),
        h("button", { type: "button", class: "small", "data-undo": each.id, onclick: () => undo(each) }, "Undo")], "act"],
  ], found.fixes) : empty("Nothing was fixed automatically.");
  bodyOf("integrity").replaceChildren(...checks.filter(Boolean), h("h3", null, "Findings"), findings, h("h3", null, "Fixes"), fixes);
}
