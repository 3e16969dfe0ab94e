// The lines between the stores: how each is, resyncs with their progress, and the runs.
import { get, post, token } from "./api.js";
import { ago, at, bodyOf, byId, chip, differences, duration, empty, h, number, percent, section, table, upTo, words } from "./dom.js";
import { NEEDS_OPERATE, act, ask, attempt, order, say, unfold } from "./page.js";
import { ticks } from "./plots.js";

const NAMES = { to_cache: ["PostgreSQL", "Edge"], to_postgres: ["Edge", "PostgreSQL"], mautic: ["PostgreSQL", "Mautic"] };
const RESULT = { success: "good", running: "unknown", stopped: "warn", failed: "bad" };

function line(name, state, verdict, since, figures, error) {
  const [from, to] = NAMES[name];
  return h("article", { class: "line", "data-state": state, "data-line": name, "aria-label": `${from} to ${to}` },
    h("div", { class: "track" }, h("span", null, from),
      h("span", { class: "rail", "aria-hidden": "true" }), h("span", null, to)),
    h("p", { class: "since" }, h("span", { "data-figure": "since" }, since), chip(state, verdict)),
    h("dl", { class: "figures" }, figures.map(([label, value, key]) =>
      h("div", null, h("dt", null, label), h("dd", { "data-figure": key ?? label }, value)))),
    error ? h("p", { class: "problem" }, error) : null);
}

function direction(each) {
  const never = !each.last_success_at;
  const verdict = each.healthy ? "healthy" : never ? "never ran" : each.pending >= 100 ? "behind" : "late";
  return line(each.direction, each.healthy ? "good" : never ? "unknown" : "bad", verdict, ago(each.last_success_at), [
    ["pending", number(each.pending)], ["parked", number(each.parked)], ["last run", number(each.records), "records"],
    ["24 h", number(each.records_24h), "records_24h"], ["errors 24 h", number(each.failures_24h), "failures_24h"],
  ], each.last_status === "failed" ? each.last_error : null);
}

// The one place that knows how the sync to Mautic is: a state, and its word. A run that goes on has no end yet.
export function mauticState(each) {
  if (!each.last_started_at) return ["unknown", "never ran"];
  if (Date.now() - Date.parse(each.last_finished_at ?? each.last_started_at) > 45 * 60e3) return ["warn", "late"];
  if (each.last_failed) return ["warn", "some failed"];
  return each.last_finished_at ? ["good", "healthy"] : ["unknown", "running"];
}

function mautic(each) {
  const [state, verdict] = mauticState(each);
  return line("mautic", state, verdict, ago(each.last_finished_at), [
    ["pending", upTo(each.pending)], ["to repeat", upTo(each.to_repeat), "to_repeat"],
    ["last run", number(each.last_synced), "records"], ["failed", number(each.last_failed)],
  ]);
}

function resyncShown(each) {
  const state = each.phase === "done" ? "good" : each.phase === "stopped" ? "bad" : "unknown";
  const said = each.is_running ? `${percent(each.percent, 0)} · ${each.phase === "write" ? "writing" : "sweeping"}` : words(each.phase);
  const about = each.is_running
    ? [`${number(each.written)} of ${number(each.total)}`, each.rows_per_second ? `${number(each.rows_per_second)} rows/s, ${duration(each.eta_seconds)} left` : "just begun"]
    : [`${number(each.written)} rows`, `${ago(each.finished_at)} by ${each.ordered_by}`];
  return h("div", { class: "resync", "data-entity": each.entity, "data-phase": each.phase },
    h("p", null, h("strong", null, `Resync of ${each.entity}`), each.is_running ? said : chip(state, said)),
    each.is_running ? h("progress", { max: 100, value: each.percent, "aria-label": `Resync of ${each.entity}` }) : null,
    h("p", null, about.map((text) => h("span", null, text))), each.error ? h("p", { class: "problem" }, each.error) : null);
}

function showStatus(status) {
  byId("line-list").replaceChildren(
    ...status.directions.map(direction), ...(status.installed.includes("mautic") ? [mautic(status.mautic)] : []));
  byId("resyncs").replaceChildren(...status.resyncs.map(resyncShown));
  const sizes = status.entities.filter((each) => each.rows !== null).map((each) => `${each.is_estimate ? "about " : ""}${number(each.rows)} ${each.entity}${each.blocked_at ? " (deletions held back)" : ""}`);
  byId("lines-note").textContent = sizes.join(" · ");
}

const seconds = (run) => (run.finished_at ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000 : null);
const VIEWS = {
  Edge: (data) => [
    data.runs.map((run) => ({ size: run.written_count + run.deleted_count, state: RESULT[run.status] })),
    [
      ["started", (run) => at(run.started_at)],
      ["run", (run) => `${words(run.direction)}${run.entity ? ` · ${run.entity}` : ""}`],
      ["by", (run) => run.ordered_by, "wrap"],
      ["result", (run) => [chip(RESULT[run.status], run.status), run.error && run.status !== "success" ? h("span", { class: "sub" }, run.error) : null]],
      ["written", (run) => number(run.written_count), "n"], ["deleted", (run) => number(run.deleted_count), "n"],
      ["parked", (run) => number(run.parked_count), "n"], ["conflicts", (run) => number(run.conflict_count), "n"],
      ["took", (run) => duration(seconds(run)), "n"],
    ], data.runs],
  Mautic: (data) => [
    data.mautic_runs.map((run) => ({ size: run.synced, state: run.failed ? "warn" : "good" })),
    [
      ["started", (run) => at(run.started_at)], ["synced", (run) => number(run.synced), "n"],
      ["created", (run) => number(run.created), "n"], ["updated", (run) => number(run.updated), "n"],
      ["failed", (run) => number(run.failed), "n"], ["segments", (run) => number(run.segments), "n"],
      ["took", (run) => duration(seconds(run)), "n"],
    ], data.mautic_runs],
};
let runsOf = "Edge";

function showRuns(data) {
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": "Which runs" }, Object.keys(VIEWS).map((name) =>
    h("button", { type: "button", class: "small", "aria-pressed": String(name === runsOf), onclick: () => { runsOf = name; showRuns(data); bodyOf("runs").querySelector("[aria-pressed=true]").focus(); } }, name)));
  const [bars, columns, rows] = VIEWS[runsOf](data);
  bodyOf("runs").replaceChildren(tabs, ...(rows.length
    ? [ticks(`${rows.length} runs, newest at the right`, bars), table(`${runsOf} runs`, columns, rows.slice(0, 10))]
    : [empty(`No ${runsOf} run yet.`)]));
}

function showConflicts(rows, role) {
  const why = role === "read" ? NEEDS_OPERATE : null;
  const columns = [
    ["row", (each) => [each.entity, h("span", { class: "sub mono" }, each.row_id.slice(0, 8))]],
    ["differing", (each) => [each.differing.map(words).join(", ") || "–", h("span", { class: "sub" }, each.rule)], "wrap"],
    ["won", (each) => (each.winner === "edge" ? "Edge" : "PostgreSQL")],
    ["decided", (each) => at(each.decided_at)],
    ["", (each) => each.reverted_at
      ? chip("unknown", `reverted by ${each.reverted_by}`)
      : [order("Compare", (of) => compare(each, of), { why }),
        order("Revert", () => revert(each), { why, name: `Bring back the other version of conflict ${each.id}`, data: { revert: each.id } })], "act"],
  ];
  bodyOf("conflicts").replaceChildren(rows.length ? table("Conflicts", columns, rows) : empty("No conflict: the two sides agree."));
}

function showDeadLetters(found, role) {
  byId("dead-letters-note").textContent = `${upTo(found.failed_tasks_waiting)} given up · ${upTo(found.deliveries_waiting)} not applied yet`;
  const why = role === "read" ? NEEDS_OPERATE : null;
  byId("replay-all").hidden = !(found.failed_tasks_waiting + found.deliveries_waiting);
  byId("replay-all").setAttribute("aria-disabled", String(Boolean(why)));
  byId("replay-all").title = why ?? "";
  const columns = [
    ["message", (each) => `${each.source} #${each.id}`], ["since", (each) => at(each.failed_at)],
    ["reason", (each) => each.error ?? "–", "wrap"],
    ["", (each) => order("Replay", () => replay(each), { why, name: `Replay message ${each.id}`, data: { replay: each.id } }), "act"],
  ];
  bodyOf("dead-letters").replaceChildren(found.failed_tasks.length ? table("Dead letters", columns, found.failed_tasks) : empty("No message was given up."));
}

const compare = (each, button) => unfold(button, () => get(`/api/conflicts/${each.id}`), (both) =>
  each.winner === "edge" ? differences(both.postgres, both.edge) : differences(both.edge, both.postgres));
async function revert(each) {
  const loser = each.winner === "edge" ? "PostgreSQL" : "the edge";
  if (await ask("Bring back the other version?", `The version of ${loser} is written, and reaches the edge with the next run.`, "Bring it back"))
    await act(() => post(`/api/conflicts/${each.id}/revert`), () => "The other version is back.");
}
const replay = (each) => act(() => post(`/api/failed-tasks/${each.id}/replay`), () => `Message ${each.id} is on its way again.`);
async function replayAll() {
  if (byId("replay-all").getAttribute("aria-disabled") === "true") return void say(NEEDS_OPERATE, "bad");
  if (await ask("Replay everything that waits?", "Each message is applied once, however often it is sent.", "Replay all"))
    await act(() => post("/api/failed-tasks/replay"), (done) => `${number(done.sent)} messages are on their way again${done.unreadable ? `; ${number(done.unreadable)} cannot be read` : ""}.`);
}

const LOOK_MS = 1_000, WAIT_FOR_A_WORKER_MS = 120_000;
let following = null, role = null;

async function resync() {
  if (!token.get()) { byId("token").focus(); return say("Sign in first: a resync needs a token.", "bad"); }
  if (role === "read") return say(NEEDS_OPERATE, "bad");
  if (byId("resync").getAttribute("aria-disabled") === "true") return undefined;
  const yes = await ask("Write everything to the edge again?", "Readers never see a hole. It goes on in the background, and you see how far it is.", "Resync");
  if (!yes) return undefined;
  return attempt(async () => {
    const before = await get("/api/sync/status");
    await post("/api/sync/full", {});
    say("Ordered. The resync begins as soon as a worker is free.");
    follow(before.checked_at);
  });
}

// Looks every second until nothing runs any more that began after `since`, or was begun before and goes on.
async function follow(since) {
  const button = byId("resync");
  if (following === button) return;
  following = button;
  const began = Date.now();
  button.setAttribute("aria-disabled", "true");
  for (let told = "", seen = false, idle = 0; button.isConnected; ) {
    const status = await attempt(() => get("/api/sync/status"));
    if (!status || !button.isConnected) break;
    showStatus(status);
    const running = status.resyncs.filter((each) => each.is_running);
    const done = status.resyncs.filter((each) => !each.is_running && each.finished_at >= since);
    seen ||= running.length > 0 || done.length > 0;
    idle = running.length ? 0 : idle + 1;
    const text = running.map((each) => `${each.entity} ${Math.floor(each.percent / 10) * 10} percent`).join(", ");
    if (text !== told) byId("progress-text").textContent = told = text;
    const finished = seen && !running.length && done.length === status.resyncs.length;
    if (finished || (seen ? idle > 8 : Date.now() - began > WAIT_FOR_A_WORKER_MS)) {
      say(finished ? `Resync done: ${number(done.reduce((sum, each) => sum + each.written, 0))} rows written.` : seen ? "No resync runs any more." : "No worker has taken the order up yet; it is not lost.");
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  if (following === button) following = null;
  button.removeAttribute("aria-disabled");
}

const lines = () => {
  const made = section("lines", "Lines", { tools: [h("button", { id: "resync", type: "button", class: "primary", onclick: resync }, "Full resync")] });
  made.querySelector(".body").replaceWith(h("div", { id: "line-list", class: "lines" }), h("div", { id: "resyncs", class: "resyncs" }),
    h("p", { id: "progress-text", class: "visually-hidden", role: "status", "aria-live": "polite" }));
  return made;
};

export const sync = {
  title: "Sync",
  parts: () => ["status", "runs", "mautic_runs", "conflicts", "dead_letters"],
  paths: () => [],
  mount: () => [lines(), section("dead-letters", "Dead letters", { tools: [h("button", { id: "replay-all", type: "button", hidden: true, onclick: replayAll }, "Replay all")] }),
    section("conflicts", "Conflicts", { note: "rows that both sides had changed" }), section("runs", "Runs", { note: "newest first" })],
  show(data) {
    role = data.role;
    if (role === "read") { byId("resync").setAttribute("aria-disabled", "true"); byId("resync").title = NEEDS_OPERATE; }
    showStatus(data.status);
    showConflicts(data.conflicts, role);
    showDeadLetters(data.dead_letters, role);
    showRuns(data);
    if (role !== "read" && data.status.resyncs.some((each) => each.is_running)) follow(data.status.checked_at);
  },
};
