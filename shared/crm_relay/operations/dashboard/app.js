// The operator's page: signs in, fills the board, carries out what is ordered.
import { Refused, get, post, token } from "./api.js";
import { byId, bodyOf, empty, h, number } from "./dom.js";
import { showApprovals } from "./approvals.js";
import { showCampaigns } from "./campaigns.js";
import { showColleague, showWeek } from "./colleague.js";
import { connectionActions, showConnections } from "./connections.js";
import { showNotifications, showPreview } from "./notifications.js";
import { differences, showConflicts, showDeadLetters, showIncidents, showIntegrity, showProviders, showWorkspaces } from "./sections.js";
import { hideSending, showSending } from "./sending.js";
import { showNothing, showRuns, showStatus } from "./sync.js";
import { showWhy } from "./why.js";
import { showRehearsal, showRunsOf, showTimeline, showWorkflows } from "./workflows.js";

const REFRESH_MS = 30_000, PROGRESS_MS = 1_000, WAIT_FOR_A_WORKER_MS = 120_000;
let following = null, caller = null;

function say(text, kind = "") {
  byId("message").dataset.kind = kind;
  byId("message").textContent = text;
}

// Whatever fails is said in words, next to nothing else; a token that is refused is forgotten.
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const signedOut = error.status === 401 && token.get();
    if (error.status === 401) signOut(signedOut ? "This token is not valid, or no longer." : error.message);
    else say(error.message, "bad");
    return undefined;
  }
}

function ask(title, text, yes, { why = false, choices = [] } = {}) {
  byId("confirm-why").hidden = !why;
  byId("confirm-whom").hidden = !choices.length;
  byId("confirm-choice").replaceChildren(...choices.map(([value, name]) => h("option", { value }, name)));
  byId("confirm-reason").value = "";
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

function clearBoard() {
  for (const body of document.querySelectorAll("section:not(#why):not(#colleague) > .body")) body.replaceChildren(empty("Shown once you are signed in."));
  for (const id of ["why", "colleague"]) bodyOf(id).replaceChildren();
}

function signOut(text) {
  token.forget();
  following = null;
  byId("sign-in").hidden = false;
  byId("signed-in").hidden = true;
  byId("token-help").hidden = false;
  byId("replay-all").hidden = byId("checks").hidden = true;
  clearBoard();
  for (const id of ["dead-note", "incidents-note", "integrity-note", "campaigns-note", "notifications-note", "approvals-note", "workflows-note", "connections-note"]) byId(id).textContent = "";
  showNothing();
  hideSending();
  say(text, text.startsWith("Signed") || !text ? "" : "bad");
  byId("token").focus();
}

async function fill() {
  // Alone: a process that does not know the token yet looks it up once, and takes no other request for a stranger's.
  const data = await get("/api/dashboard");
  const [funnels, channels, templates, approvals, workflows, failures, connections] = await Promise.all(
    ["/api/campaigns/funnels", "/api/notifications", "/api/notifications/templates", "/api/approvals?limit=100", "/api/workflows",
      "/api/workflows/failures", "/api/connections"].map(get));
  byId("sign-in").hidden = true;
  byId("signed-in").hidden = false;
  byId("token-help").hidden = true;
  caller = data.caller;
  byId("who").textContent = `${caller} (${data.role})`;
  byId("checks").hidden = false;
  showStatus(data.status);
  showWorkspaces(data.workspaces);
  showProviders(data.provider_days);
  showCampaigns(funnels);
  showNotifications(channels, templates, { preview: previewTemplate });
  showApprovals(approvals, { decide: decideApproval, delegate: delegateApproval });
  showWorkflows(workflows, failures, data.role, { runs: runsOfWorkflow, rehearse: rehearseWorkflow, retry: retryFailed });
  showConnections(connections, data.role, connectionActions({ ask, act, attempt, say, unfold }));
  showSending(data.sending_stops, data.role, resumeSending);
  showIntegrity(data.integrity, { compare: compareFix, undo: undoFix });
  showConflicts(data.conflicts, { compare: compareConflict, revert: revertConflict });
  showIncidents(data.incidents);
  showDeadLetters(data.dead_letters, { replay: replayTask });
  showRuns(data);
  document.body.dataset.filled = String(Date.now());
  if (data.status.resyncs.some((each) => each.is_running)) follow(data.status.checked_at);
}

const refresh = () => attempt(fill);
const act = (work, told) => attempt(async () => { const done = await work(); await fill(); say(told(done)); });

// Row details open below their own row, and close by the same button.
async function unfold(button, load, show) {
  const row = button.closest("tr");
  if (row.nextElementSibling?.dataset.detail) return row.nextElementSibling.remove();
  const found = await attempt(load);
  if (found) row.after(h("tr", { "data-detail": "yes" }, h("td", { colspan: row.children.length, class: "wide" }, show(found))));
}
const compareConflict = (each, button) => unfold(button, () => get(`/api/conflicts/${each.id}`), (both) =>
  each.winner === "edge" ? differences(both.postgres, both.edge) : differences(both.edge, both.postgres));
const compareFix = (each, button) => unfold(button, () => get(`/api/integrity/fixes/${each.id}`), (fix) => differences(fix.before, fix.after));

const previewTemplate = (each, button) => unfold(button, () => post("/api/notifications/templates/preview", { slug: each.slug, organization: each.org_id }), showPreview);

const timelineOf = (run, button) => unfold(button, () => get(`/api/workflows/runs/${run.id}`), showTimeline);
const runsOfWorkflow = (each, button) => unfold(button, () => get(`/api/workflows/runs?workflow=${each.id}`), (runs) => showRunsOf(runs, { timeline: timelineOf }));
const rehearseWorkflow = (each, button) => unfold(button, () => get(`/api/workflows/${each.id}/rehearsal?effects=0`), showRehearsal);

async function retryFailed(each) {
  const text = `${number(each.number)} runs of ${each.workflow_name} go on with step ${each.step ?? "–"}. What they did before is not repeated.`;
  if (!(await ask("Retry these runs?", text, "Retry"))) return;
  await act(() => post("/api/workflows/runs/retry", { workflow: each.workflow_id, ...(each.error && { error: each.error }) }), (done) =>
    `${number(done.changed.length)} runs go on${Object.keys(done.refused).length ? `; ${number(Object.keys(done.refused).length)} could not` : ""}.`);
}

async function revertConflict(each) {
  const loser = each.winner === "edge" ? "PostgreSQL" : "the edge";
  if (await ask("Bring back the other version?", `The version of ${loser} is written, and reaches the edge with the next run.`, "Bring it back"))
    await act(() => post(`/api/conflicts/${each.id}/revert`), () => "The other version is back.");
}
async function undoFix(each) {
  if (await ask("Undo this fix?", "What was there before is put back.", "Undo"))
    await act(() => post(`/api/integrity/fixes/${each.id}/revert`), () => "The fix is undone.");
}
async function decideApproval(each, action) {
  const [verb, done] = action === "approve" ? ["Approve", "Approved"] : ["Reject", "Rejected"];
  const text = `${each.title ?? "The request"}, requested by ${each.requester_name ?? "nobody who is known"}. This cannot be taken back.`;
  if (!(await ask(`${verb} this?`, text, verb, { why: true }))) return;
  const notes = byId("confirm-reason").value.trim();
  await act(() => post(`/api/approvals/${each.id}/${action}`, { way: "page", ...(notes && { notes }) }), (found) =>
    found.changed ? `${done}. The workflow goes on.` : `It was decided before: ${found.status}.`);
}
async function delegateApproval(each) {
  const found = await attempt(() => get(`/api/approvals/${each.id}/colleagues`));
  if (!found) return;
  if (!found.length) return void say("No colleague can take it over.", "bad");
  const choices = found.map((one) => [one.id, [one.name ?? one.id.slice(0, 8), one.role && `(${one.role})`, one.away && "– away"].filter(Boolean).join(" ")]);
  const text = `${each.title ?? "The request"}, requested by ${each.requester_name ?? "nobody who is known"}. The colleague decides instead of you, and you cannot take it back.`;
  if (!(await ask("Hand this on?", text, "Hand on", { why: true, choices }))) return;
  const notes = byId("confirm-reason").value.trim(), to = byId("confirm-choice").value;
  await act(() => post(`/api/approvals/${each.id}/delegate`, { way: "page", to, ...(notes && { notes }) }), (done) =>
    done.changed ? "Handed on. The colleague is asked within a minute." : `It was decided before: ${done.status}.`);
}
const replayTask = (each) => act(() => post(`/api/failed-tasks/${each.id}/replay`), () => `Message ${each.id} is on its way again.`);

async function replayAll() {
  if (await ask("Replay everything that waits?", "Each message is applied once, however often it is sent.", "Replay all"))
    await act(() => post("/api/failed-tasks/replay"), (done) => `${number(done.sent)} messages are on their way again${done.unreadable ? `; ${number(done.unreadable)} cannot be read` : ""}.`);
}

async function stopSending() {
  const text = "Nothing more leaves, of every organization, until somebody resumes it. Everybody keeps their place. Requests that are under way end.";
  if (!(await ask("Stop everything that campaigns send?", text, "Stop sending", { why: true }))) return;
  const reason = byId("confirm-reason").value.trim();
  await act(() => post("/api/sending/stop", reason ? { reason } : {}), (done) =>
    `Sending is stopped.${done.on_its_way ? ` ${number(done.on_its_way)} requests were under way and cannot be called back.` : ""}`);
}
async function resumeSending(each) {
  const text = "Everything that waited is asked again at once: late policies, limits and opt-outs decide about it, as after a pause.";
  if (await ask("Resume sending?", text, "Resume"))
    await act(() => post("/api/sending/resume", each.organization_id === null ? {} : { organization: each.organization_id }), () => "Sending is resumed.");
}

async function resync() {
  if (!token.get()) return signOut("Sign in first: a resync needs a token.");
  if (byId("resync").getAttribute("aria-disabled") === "true") return undefined;
  const yes = await ask("Write everything to the edge anew?", "Readers never see a hole. It goes on in the background, and you see how far it is.", "Resync");
  if (!yes) return undefined;
  return attempt(async () => {
    const before = await get("/api/sync/status");
    await post("/api/sync/full", {});
    say("Ordered. The resync begins as soon as a worker is free.");
    follow(before.checked_at);
  });
}

const CHECK_BUTTONS = ["check", "check-fix"];
async function check(fix) {
  if (byId("check").getAttribute("aria-disabled") === "true") return undefined;
  if (fix && !(await ask("Check, and fix what may be fixed?", "Each fix is kept with what was there before, and can be undone.", "Check and fix"))) return undefined;
  return attempt(async () => {
    const [newest] = (await get("/api/integrity")).runs;
    await post("/api/integrity/check", { fix });
    say("Ordered. The check begins as soon as a worker is free.");
    CHECK_BUTTONS.forEach((id) => byId(id).setAttribute("aria-disabled", "true"));
    try {
      await followCheck(newest?.id ?? 0);
    } finally {
      CHECK_BUTTONS.forEach((id) => byId(id).removeAttribute("aria-disabled"));
    }
  });
}

// Looks every second until the run that was ordered after run `before` has ended.
async function followCheck(before) {
  for (const began = Date.now(), mine = caller; token.get() && mine === caller; ) {
    const found = await get("/api/integrity");
    const run = found.runs.find((each) => each.id > before && each.ordered_by === mine);
    if (run?.finished_at) {
      const sum = (name) => number(found.checks.reduce((total, each) => total + each[name], 0));
      const blind = found.checks.some((each) => Object.keys(each.unseen).length) ? " Not everything could be looked at." : "";
      await fill();
      return run.status === "failed" ? say(`The check failed: ${run.error}`, "bad") : say(`Check done: ${sum("found")} found, ${sum("fixed")} fixed.${blind}`);
    }
    if (run) say("The check is at work.");
    else if (Date.now() - began > WAIT_FOR_A_WORKER_MS) return say("No worker has taken the order up yet; it is not lost.");
    await new Promise((resolve) => setTimeout(resolve, PROGRESS_MS));
  }
  return undefined;
}

// Looks every second until nothing runs any more that began after `since`, or was begun before and goes on.
async function follow(since) {
  if (following) return;
  const mine = (following = {});
  const began = Date.now();
  byId("resync").setAttribute("aria-disabled", "true");
  for (let told = "", seen = false, idle = 0; following === mine; ) {
    const status = await attempt(() => get("/api/sync/status"));
    if (!status) break;
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
    await new Promise((resolve) => setTimeout(resolve, PROGRESS_MS));
  }
  if (following === mine) following = null;
  byId("resync").removeAttribute("aria-disabled");
  if (token.get()) refresh();
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  token.set(byId("token").value.trim());
  byId("token").value = "";
  say("");
  await refresh();
  if (token.get()) byId("main").focus({ preventScroll: true });
});
byId("sign-out").addEventListener("click", () => signOut("Signed out."));
byId("refresh").addEventListener("click", async () => { say(""); await refresh(); });
byId("resync").addEventListener("click", resync);
byId("stop-sending").addEventListener("click", stopSending);
byId("replay-all").addEventListener("click", replayAll);
byId("check").addEventListener("click", () => check(false));
byId("check-fix").addEventListener("click", () => check(true));
byId("why-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const known = await attempt(() => get(`/api/why?who=${encodeURIComponent(byId("why-who").value.trim())}`));
  if (known) { say(""); showWhy(known); }
});
byId("colleague-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const who = byId("colleague-who").value.trim();
  const found = await attempt(() => get(`/api/notifications/settings?who=${encodeURIComponent(who)}`));
  if (!found) return;
  say("");
  showColleague(found, async (wanted) => {
    const week = await attempt(() => post("/api/notifications/settings/week", { who, ...wanted }));
    if (week) { say(""); showWeek(week); }
  });
});
byId("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
setInterval(() => { if (token.get() && !following && !document.hidden && !document.querySelector("dialog[open], [data-detail]")) refresh(); }, REFRESH_MS);
showNothing();
byId("replay-all").hidden = true;
if (token.get()) refresh();
else clearBoard();
