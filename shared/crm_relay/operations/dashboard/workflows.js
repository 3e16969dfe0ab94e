// Workflows with their runs by state, the timeline of a run, failing steps with retry, and a rehearsal as a picture.
import { get, post } from "./api.js";
import { at, bodyOf, byId, chip, empty, h, number, section, table, words } from "./dom.js";
import { NEEDS_OPERATE, act, ask, order, unfold } from "./page.js";
import { plot } from "./plots.js";

const ORDER = ["running", "pending", "paused", "failed", "completed", "cancelled"];
const STATES = { completed: "good", failed: "bad", cancelled: "unknown", paused: "warn", skipped: "unknown", waiting: "warn", running: "warn" };
const status = (word) => chip(STATES[word] ?? "unknown", words(word));
const STARTED_BY = { automatic: "a change", event: "an event", scheduled: "a schedule", manual: "an operator", api: "the API" };
const short = (id) => h("span", { class: "mono", title: id }, id.slice(0, 8));
const button = (label, name, of, press, why = null) => order(label, press, { why, name: `${label} ${name}`, data: { do: of } });
const notes = (...lines) => lines.filter(Boolean).map((line) => h("p", { class: "note" }, line));

function state(each) {
  const version = each.active_version === null ? chip("unknown", "draft") : chip("good", `version ${each.active_version}`);
  const said = [each.has_changes && "the draft has changes", ...(each.problems ?? [])].filter(Boolean);
  return [each.paused_at ? chip("bad", `paused: ${words(each.paused_reason ?? "")}`) : version,
    said.length ? h("span", { class: "sub" }, said.join("; ")) : null];
}
const counts = (runs) => {
  const shown = ORDER.filter((name) => runs[name]).map((name) => `${number(runs[name])} ${name}`);
  return shown.length ? shown.join(" · ") : "none yet";
};

// A comparison as a sentence: what was asked, and what the record had.
function comparison(entry) {
  const wanted = [entry.field ?? entry.gate, entry.operator, entry.wanted === undefined ? null : JSON.stringify(entry.wanted)].filter((part) => part !== null && part !== undefined);
  return `${wanted.join(" ")}: ${entry.problem ?? `is ${JSON.stringify(entry.actual ?? null)}, ${entry.holds ? "holds" : "does not hold"}`}`;
}
function decided(result) {
  const { explanation, ...rest } = result ?? {};
  const parts = Object.entries(rest).map(([name, value]) => `${words(name)}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return [...parts, ...(Array.isArray(explanation) ? explanation.map(comparison) : [])].map((line) => h("span", { class: "sub" }, line));
}
function effects(action) {
  const lines = [];
  if (action.mail) lines.push(`mail ${action.mail.status}${action.mail.reason ? ` (${words(action.mail.reason)})` : ""}`);
  if (action.webhook) lines.push(`webhook ${action.webhook.state}, ${number(action.webhook.attempts)} attempts${action.webhook.status_code ? `, answered ${action.webhook.status_code}` : ""}`);
  for (const each of action.notifications) lines.push(`notified ${each.user_id.slice(0, 8)}: ${Object.entries(each.channels).map((pair) => pair.join(" ")).join(", ") || "in a group"}`);
  return lines.map((line) => h("span", { class: "sub" }, line));
}

function showTimeline(found) {
  const why = Array.isArray(found.start.explanation) ? found.start.explanation.map(comparison) : [];
  const columns = [
    ["step", (each) => [words(each.name ?? each.type), h("span", { class: "sub mono" }, each.key ?? "")], "wrap"],
    ["state", (each) => [status(each.status), each.error ? h("span", { class: "sub" }, each.error) : null], "wrap"],
    ["at", (each) => [at(each.started_at), each.wait_until ? h("span", { class: "sub" }, "until ", at(each.wait_until)) : null]],
    ["decided", (each) => decided(each.result), "wrap"], ["effects", (each) => each.actions.flatMap(effects), "wrap"],
  ];
  return h("div", { "data-timeline": found.run.id },
    notes(`Started by ${STARTED_BY[found.run.trigger_type] ?? "somebody"}${why.length ? `, since ${why.join("; ")}` : ""}.`,
      found.run.error && `Error: ${found.run.error}.`, !found.is_complete && "The newest steps alone are shown."),
    found.steps.length ? table("Steps of the run", columns, found.steps) : empty("No step was taken yet."),
    found.logs.length ? h("ul", { class: "log" }, found.logs.map((line) => h("li", null, at(line.occurred_at), ` ${line.message}`, line.data?.by ? ` by ${line.data.by}` : ""))) : null);
}

function showRunsOf(runs, role) {
  const columns = [
    ["run", (each) => [short(each.id), h("span", { class: "sub" }, `${words(each.entity_type ?? "")} ${each.entity_id?.slice(0, 8) ?? ""}`)]],
    ["state", (each) => [status(each.status), each.error ? h("span", { class: "sub" }, each.error) : null], "wrap"],
    ["goes on", (each) => (each.next_run_at ? at(each.next_run_at) : each.waits_for && !each.completed_at ? `waits for ${words(each.waits_for)}` : "–")],
    ["steps", (each) => `${number(each.steps_done)}`, "n"], ["began", (each) => at(each.created_at)],
    ["", (each) => button("Timeline", `of run ${each.id.slice(0, 8)}`, "timeline", (of) => timelineOf(each, of), role === "read" ? NEEDS_OPERATE : null), "act"],
  ];
  return runs.length ? table("Runs of the workflow", columns, runs) : empty("No run of it is kept.");
}

function drawnOf(kind, name, days, budget) {
  const over = days.filter((each) => each.paused === kind).length, sum = days.reduce((total, each) => total + each[kind], 0);
  const bound = budget === null ? "No budget" : `Budget ${number(budget)} a day${over ? `, used up on ${over === 1 ? "one day" : `${number(over)} days`}` : ""}`;
  const values = (isOver) => days.map((each) => ((each.paused === kind) === isOver ? each[kind] : 0));
  const series = [{ name: "made", tone: "good", values: values(false) }, { name: "made until the budget was used up", tone: "bad", values: values(true) }]
    .filter((each) => each.values.some((value) => value)).map((each) => ({ ...each, total: number(each.values.reduce((total, value) => total + value, 0)) }));
  return sum ? plot({ id: kind, title: `${name} by day`, buckets: days.map((each) => each.day), series, kind: "stacked", budget, note: bound }) : null;
}

function showRehearsal(found) {
  const { span, starts, budget, days } = found;
  const against = (kind) => (each) => `${number(each[kind])}${budget[kind] === null ? "" : ` of ${number(budget[kind])}`}`;
  const refused = starts.refused.map((each) => `${number(each.starts)} by ${words(each.reason)}`).join(", ");
  const steps = [
    ["step", (each) => [each.name ?? words(each.kind), h("span", { class: "sub mono" }, each.key)]],
    ...["completed", "skipped", "failed", "waiting"].map((name) => [name, (each) => number(each[name]), "n"]),
    ["why", (each) => Object.entries(each.problems).map(([why, count]) => h("span", { class: "sub" }, `${why}: ${number(count)}`)), "wrap"],
  ];
  const columns = [
    ["day", (each) => each.day], ["started", (each) => number(each.started), "n"], ["e-mails", against("emails"), "n"],
    ["records", against("records"), "n"], ["notifications", (each) => number(each.notifications), "n"],
    ["webhooks", (each) => number(each.webhooks), "n"], ["", (each) => (each.paused ? chip("bad", `no ${each.paused} left`) : null)],
  ];
  const drawn = [["emails", "E-mails"], ["records", "Records"]].map(([kind, name]) => drawnOf(kind, name, days, budget[kind]));
  return h("div", { "data-rehearsal": found.workflow_id },
    notes(`${number(span.events)} events of ${span.since.slice(0, 10)} to ${span.until.slice(0, 10)}${span.is_cut ? ", the newest of more" : ""}${span.due_times ? `, ${number(span.due_times)} due times of schedules` : ""}. `
      + (span.complete_from ? `All that it listens to is recorded since ${span.complete_from.slice(0, 16).replace("T", " ")} UTC.` : "Not all that it listens to is recorded."),
    span.not_rehearsed.length && `Not rehearsed: ${span.not_rehearsed.join("; ")}.`,
    `${number(starts.started)} starts, ${number(found.recipients)} contacts with e-mails${refused ? `; not started: ${refused}` : ""}${starts.delayed ? `; ${number(starts.delayed)} delayed by the pace` : ""}.`),
    days.length ? [...drawn, h("h3", null, "By day"), table("Rehearsal by day", columns, days)] : empty("Nothing would have been done."),
    h("h3", null, "By step"), table("Rehearsal by step", steps, found.steps), notes(...found.assumptions));
}

function showWorkflows(rows, failures, role) {
  const failed = failures.reduce((sum, each) => sum + each.number, 0), why = role === "read" ? NEEDS_OPERATE : null;
  byId("workflows-note").textContent = rows.length ? `${number(rows.filter((each) => each.is_active).length)} active${failed ? ` · ${number(failed)} runs failed` : ""}` : "";
  const columns = [
    ["workflow", (each) => [each.name, h("span", { class: "sub" }, words(each.entity_type))], "wrap"], ["state", state, "wrap"],
    ["runs", (each) => counts(each.runs), "wrap"],
    ["", (each) => [button("Runs", `of ${each.name}`, "runs", (of) => runsOf(each, of, role)), button("Rehearse", each.name, "rehearse", (of) => rehearse(each, of), why)], "act"],
  ];
  const failing = [
    ["workflow", (each) => [each.workflow_name, h("span", { class: "sub" }, `step ${each.step ?? "–"}`)], "wrap"], ["error", (each) => each.error ?? "–", "wrap"],
    ["runs", (each) => number(each.number), "n"], ["last", (each) => at(each.last_at)],
    ["", (each) => button("Retry", `${each.workflow_name}, step ${each.step ?? "–"}`, "retry", () => retry(each), why), "act"],
  ];
  bodyOf("workflows").replaceChildren(rows.length ? table("Workflows", columns, rows) : empty("There is no workflow."),
    ...(failures.length ? [h("h3", null, "Failing steps"), table("Failing steps", failing, failures)] : []));
}

const timelineOf = (run, button) => unfold(button, () => get(`/api/workflows/runs/${run.id}`), showTimeline);
const runsOf = (each, button, role) => unfold(button, () => get(`/api/workflows/runs?workflow=${each.id}`), (runs) => showRunsOf(runs, role));
const rehearse = (each, button) => unfold(button, () => get(`/api/workflows/${each.id}/rehearsal?effects=0`), showRehearsal);

async function retry(each) {
  const text = `${number(each.number)} runs of ${each.workflow_name} go on with step ${each.step ?? "–"}. What they did before is not repeated.`;
  if (!(await ask("Retry these runs?", text, "Retry"))) return;
  await act(() => post("/api/workflows/runs/retry", { workflow: each.workflow_id, ...(each.error && { error: each.error }) }), (done) =>
    `${number(done.changed.length)} runs go on${Object.keys(done.refused).length ? `; ${number(Object.keys(done.refused).length)} could not` : ""}.`);
}

export const workflows = {
  title: "Workflows",
  parts: () => [],
  paths: () => ["/api/workflows", "/api/workflows/failures"],
  mount: () => [section("workflows", "Workflows")],
  show: (data, [rows, failures]) => showWorkflows(rows, failures, data.role),
};
