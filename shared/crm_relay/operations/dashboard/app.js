// The operator's page: signs in, says how things are, and shows the view that the address names.
import { Refused, exchange, get, post, token } from "./api.js";
import { byId, chip, empty, h, number, upTo } from "./dom.js";
import { NEEDS_OPERATE, act, ask, attempt, link, onSession, say } from "./page.js";
import { hideSending, showSending } from "./sending.js";
import { approvals } from "./approvals.js";
import { campaigns } from "./campaigns.js";
import { connections } from "./connections.js";
import { incidents } from "./incidents.js";
import { integrity } from "./integrity.js";
import { notifications } from "./notifications.js";
import { outreach } from "./outreach.js";
import { overview } from "./overview.js";
import { people } from "./people.js";
import { settings } from "./settings.js";
import { mauticState, sync } from "./sync.js";
import { workflows } from "./workflows.js";

const VIEWS = { overview, people, campaigns, outreach, sync, integrity, incidents, workflows, approvals, notifications, connections, settings };
const REFRESH_MS = 30_000;
const OLD_MS = 120_000;
let mounted = null, turn = null, isKnown = false, role = null, lookedAt = null;

// #/name/one/two?key=value
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  const known = Object.hasOwn(VIEWS, name) ? name : "overview";
  return { name: known, args: known === name ? rest : [], query: new URLSearchParams(query ?? ""), address: location.hash };
}

function markViews(here) {
  const counts = { incidents: here.outstanding?.incidents, approvals: here.outstanding?.approvals };
  byId("views").replaceChildren(h("ul", null, Object.entries(VIEWS).map(([name, each]) =>
    h("li", null, h("a", { href: `#/${name}`, "aria-current": name === here.name ? "page" : null }, each.title,
      counts[name] ? h("span", { class: "count" }, upTo(counts[name])) : null)))));
}

// Builds the parts of a view once for an address; what is in them is filled at every look.
function mount(here) {
  const view = VIEWS[here.name], key = `${here.name}/${here.args.join("/")}`;
  if (mounted === key) return;
  mounted = key;
  document.body.dataset.view = here.name;
  delete document.body.dataset.filled;
  byId("view-title").textContent = view.title;
  document.title = `${view.title} – CRM Relay`;
  byId("view-note").textContent = "";
  byId("view-tools").replaceChildren();
  byId("view").replaceChildren(...view.mount(here));
  if (!token.get()) for (const body of document.querySelectorAll("#view .body")) body.replaceChildren(empty("Shown once you are signed in."));
}

const plural = (count, one, many = `${one}s`) => `${upTo(count)} ${count === 1 ? one : many}`;

const timeOf = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
// What was true a while ago is not said to be true.
function doubt() {
  byId("verdict").dataset.state = "unknown";
  byId("verdict").textContent = lookedAt === null ? "○ Not known" : `○ Not known since ${timeOf.format(lookedAt)}`;
}

// How the lines are is part of the head's truth, whatever the view shows.
async function look(parts = []) {
  const asked = Date.now();
  try {
    const data = await get(`/api/dashboard?parts=${[...new Set(["status", ...parts])].join(",")}`);
    lookedAt = asked;
    return data;
  } catch (error) {
    doubt();
    throw error;
  }
}

// The whole truth in one line; green only where nothing is open.
function showHead(data) {
  const { outstanding, sending_stops: stops } = data;
  role = data.role;
  byId("who").textContent = `${data.caller} (${role})`;
  const open = [
    [outstanding.incidents, "incidents", plural(outstanding.incidents, "incident"), "open"], [outstanding.snoozed, "incidents", plural(outstanding.snoozed, "incident"), "put off"],
    [outstanding.failed_tasks, "sync", plural(outstanding.failed_tasks, "message"), "given up"], [outstanding.deliveries, "sync", plural(outstanding.deliveries, "delivery", "deliveries"), "not applied"],
    [outstanding.unknown_messages, "incidents", plural(outstanding.unknown_messages, "mail"), "of unclear outcome"], [outstanding.approvals, "approvals", plural(outstanding.approvals, "approval"), "waiting"],
    [data.status.installed.includes("mautic") && mauticState(data.status.mautic)[0] === "warn", "sync", "the sync to Mautic", mauticState(data.status.mautic)[1]],
  ].filter(([count]) => count);
  const isGreen = !open.length && !stops.length && data.status.healthy !== false;
  const verdict = byId("verdict");
  verdict.dataset.state = isGreen ? "good" : outstanding.incidents || stops.length || data.status.healthy === false ? "bad" : "warn";
  verdict.textContent = isGreen ? "● Nothing is open" : outstanding.incidents || stops.length || data.status.healthy === false ? "■ Needs a look" : "▲ Something waits";
  byId("truth").hidden = false;
  byId("truth").replaceChildren(h("li", { id: "mode" }, mode(data)), ...open.map(([, view, text, state]) => h("li", null, link(view, text), ` ${state}`)));
  showSending(stops, role, resumeSending);
  const why = role === "read" ? NEEDS_OPERATE : stops.some((each) => each.organization_id === null) ? "Sending is stopped already." : null;
  byId("stop-sending").setAttribute("aria-disabled", String(Boolean(why)));
  byId("stop-sending").title = why ?? "";
}

// The one place that knows in which mode mail leaves.
function mode(data) {
  if (data.sending_stops.some((each) => each.organization_id === null)) return chip("bad", "sending is stopped");
  const known = data.mail_mode.mode;
  if (known === "live") return chip("good", "mail leaves: live");
  if (known === "allow-list") return chip("warn", "mail leaves to the allow-list alone");
  if (known === "dry-run") return chip("warn", "dry run: no mail leaves");
  return chip("unknown", "mode of the mail is not known");
}

async function fill() {
  const here = route(), mine = (turn = {});
  mount(here);
  markViews(here);
  if (!token.get()) return;
  const view = VIEWS[here.name];
  // Alone the first time: a process that does not know the token yet looks it up once, and takes no other request for a stranger's.
  const first = isKnown ? null : await look(view.parts(here));
  isKnown = true;
  const asked = Promise.all(view.paths(here, first?.role ?? role).map(get));
  asked.catch(() => {}); // Said below, once the head says what it knows.
  const data = first ?? (await look(view.parts(here)));
  if (turn !== mine || !token.get()) return;
  byId("sign-in").hidden = true;
  byId("signed-in").hidden = false;
  byId("token-help").hidden = true;
  showHead(data);
  markViews({ ...here, outstanding: data.outstanding });
  const more = await asked;
  if (turn !== mine || !token.get()) return;
  view.show(data, more, here);
  document.body.dataset.filled = String(Date.now());
}
const refresh = () => attempt(fill);

function signOut(text) {
  token.forget();
  mounted = turn = role = lookedAt = null;
  isKnown = false;
  byId("sign-in").hidden = false;
  byId("signed-in").hidden = true;
  byId("token-help").hidden = false;
  byId("truth").hidden = true;
  byId("verdict").dataset.state = "unknown";
  byId("verdict").textContent = "Not signed in";
  hideSending();
  mount(route());
  markViews(route());
  say(text, text.startsWith("Signed") || !text ? "" : "bad");
  byId("token").focus();
}
onSession({ signOut, fill });

async function stopSending() {
  if (byId("stop-sending").getAttribute("aria-disabled") === "true") return void say(byId("stop-sending").title, "bad");
  const text = "Nothing more leaves, of every organization, until somebody resumes it. Everybody keeps their place. Requests that are under way end.";
  if (!(await ask("Stop everything that campaigns send?", text, "Stop sending", { why: true, danger: true }))) return;
  const reason = byId("confirm-reason").value.trim();
  await act(() => post("/api/sending/stop", reason ? { reason } : {}), (done) =>
    `Sending is stopped.${done.on_its_way ? ` ${number(done.on_its_way)} requests were under way and cannot be called back.` : ""}`);
}
async function resumeSending(each) {
  const text = "Everything that waited is asked again at once: late policies, limits and opt-outs decide about it, as after a pause.";
  if (await ask("Resume sending?", text, "Resume"))
    await act(() => post("/api/sending/resume", each.organization_id === null ? {} : { organization: each.organization_id }), () => "Sending is resumed.");
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  token.set(byId("token").value.trim());
  byId("token").value = "";
  say("");
  mounted = null;
  await refresh();
  if (token.get()) byId("main").focus({ preventScroll: true });
});
byId("sign-out").addEventListener("click", () => signOut("Signed out."));
byId("refresh").addEventListener("click", async () => { say(""); await refresh(); });
byId("stop-sending").addEventListener("click", stopSending);
byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
window.addEventListener("hashchange", async () => {
  say("");
  await signInByLink();
  await refresh();
  byId("main").focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
byId("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
const isBusy = () => document.querySelector("dialog[open], [data-detail], #resync[aria-disabled=true], #check[aria-disabled=true], main input:focus, main select:focus");
// A link signs in once: its code is taken out of the address before anything else is done with it.
async function signInByLink() {
  const [, code] = location.hash.match(/^#\/sign-in\/(.*)$/) ?? [];
  if (code === undefined) return;
  history.replaceState(null, "", `${location.pathname}#/overview`);
  try {
    await exchange(code);
    // Of another token, perhaps of another role: nothing that was known of the last one holds.
    mounted = turn = role = null;
    isKnown = false;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    signOut(error.message);
  }
}

// A view that somebody reads or writes in is left as it is; its head goes on.
function lookAgain() {
  if (!token.get() || document.hidden) return undefined;
  return isBusy() ? attempt(async () => { const data = await look(); if (token.get()) showHead(data); }) : refresh();
}
setInterval(lookAgain, REFRESH_MS);
document.addEventListener("visibilitychange", lookAgain);
setInterval(() => { if (token.get() && lookedAt !== null && Date.now() - lookedAt > OLD_MS) doubt(); }, 5_000);
signInByLink().then(refresh);
