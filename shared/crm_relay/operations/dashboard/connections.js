// Connected accounts: state, syncs, records, refusals, budget and expiry, and what the operate role may order.
import { get, post } from "./api.js";
import { at, bodyOf, byId, chip, empty, h, number, percent, section, table, words } from "./dom.js";
import { act, ask, attempt, say, unfold } from "./page.js";

const HELD = { reconnect: "has to be connected again", preview: "first sync waits for a yes", confirmation: "waits for a yes", billing: "limit of the plan is reached" };
const SOON_DAYS = 7, NEARLY_SPENT = 0.8;
const sub = (...parts) => h("span", { class: "sub" }, ...parts);
const many = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;
const nameOf = (each) => each.label ?? each.account ?? words(each.integration);
const isRemoved = (each) => each.status === "disconnected";
const isPaused = (each) => !isRemoved(each) && (each.status === "paused" || !each.enabled);
const isRefused = (each) => each.held_for === "reconnect" || each.needs_reconnect;
const waitsForYes = (each) => each.held_for === "preview" || each.held_for === "confirmation";

function state(each) {
  const [kind, text] = isRemoved(each) ? ["unknown", "removed"] : isRefused(each) ? ["bad", HELD.reconnect] : isPaused(each) ? ["unknown", "paused"]
    : each.status === "error" ? ["bad", "error"] : each.held_for ? ["warn", HELD[each.held_for] ?? words(each.held_for)]
    : each.stopped_streams ? ["warn", `${many(each.stopped_streams, "stream")} stopped`] : ["good", "active"];
  const said = [each.status === "error" && each.error_count && `${many(each.error_count, "failure")} in a row`, each.error_message,
    isPaused(each) && isRefused(each) && "paused"].filter(Boolean);
  return [chip(kind, text), said.length ? sub(said.join("; ")) : null];
}

function next(each) {
  if (isRemoved(each)) return "no more";
  if (isPaused(each)) return "none while paused";
  if (isRefused(each)) return "none before it is connected again";
  if (waitsForYes(each)) return "none before the yes";
  if (!each.next_sync_at) return "none planned";
  return Date.parse(each.next_sync_at) <= Date.now() ? "with the next run" : ["next ", at(each.next_sync_at)];
}
const syncs = (each) => [each.last_sync_at ? at(each.last_sync_at) : "never yet", sub(next(each))];
const records = (each) => [number(each.records), each.is_equal ? null : sub("both sides differ")];

function budget(each) {
  const used = each.requests_this_month, most = each.monthly_requests;
  if (!most) return used === null ? "not counted" : [number(used), sub("no budget is set")];
  const share = (used ?? 0) / most, text = `${number(used ?? 0)} of ${number(most)}`;
  return [share >= 1 ? chip("bad", text) : share >= NEARLY_SPENT ? chip("warn", text) : text, sub(`${percent(100 * share, 0)} of the month's requests`)];
}

function expiry(each) {
  if (isRemoved(each)) return "–";
  if (isRefused(each)) return chip("bad", "no longer valid");
  if (each.days_to_expiry === null) return each.access === "key" ? "a key without an end" : "no end is known";
  const text = each.days_to_expiry ? `in ${many(each.days_to_expiry, "day")}` : "in under a day";
  return each.days_to_expiry <= SOON_DAYS ? chip("warn", text) : text;
}

// Why an order cannot be given now; nothing where it can.
function obstacle(each, order, role) {
  if (role === "read") return "This needs a token of the role operate.";
  if (isRemoved(each) && order !== "reconnect" && order !== "details") return "The account was removed: connect it again.";
  if (order === "sync" && isRefused(each)) return "The account has to be connected again first.";
  if (order === "sync" && isPaused(each)) return "It is paused: resume it first.";
  if (order === "sync" && waitsForYes(each)) return "It waits for a yes: see its details, and confirm.";
  if (order === "reconnect" && each.access === "key") return `It has a key: crm-relay connection reconnect ${each.id} asks for a new one.`;
  return null;
}

function button(each, order, label, role, actions) {
  const why = obstacle(each, order, role);
  const press = why ? () => actions.refused(why) : (event) => actions[order](each, event.target);
  return h("button", { type: "button", class: "small", "data-do": order, "aria-label": `${label} ${nameOf(each)}`, "aria-disabled": why ? "true" : null, title: why, onclick: press }, label);
}

function showConnections(rows, role, actions) {
  const rejects = rows.reduce((sum, each) => sum + each.rejects, 0);
  const ill = rows.filter((each) => !isRemoved(each) && (isRefused(each) || each.status === "error")).length;
  byId("connections-note").textContent = rows.length
    ? [many(rows.length, "account"), ill && `${number(ill)} in trouble`, rejects && `${many(rejects, "record")} rejected`].filter(Boolean).join(" · ") : "";
  const columns = [
    ["account", (each) => [nameOf(each), sub([words(each.integration), each.workspace, each.label && each.account].filter(Boolean).join(" · "))], "wrap"],
    ["state", state, "wrap"], ["last sync", syncs, "wrap"], ["records", records, "n"], ["rejects", (each) => number(each.rejects), "n"],
    ["budget used", budget, "wrap"], ["access ends", expiry, "wrap"],
    ["", (each) => [["details", "Details"], isPaused(each) ? ["resume", "Resume"] : ["pause", "Pause"], ["sync", "Sync"], ["reconnect", "Reconnect"]]
      .concat(waitsForYes(each) ? [["confirm", "Confirm"]] : [], [["remove", "Remove"]])
      .map(([order, label]) => button(each, order, label, role, actions)), "act"],
  ];
  bodyOf("connections").replaceChildren(rows.length ? table("Connections", columns, rows) : empty("No account is connected."),
    ...(rows.length && role === "read" ? [h("p", { class: "note" }, "Details and buttons need a token of the role operate.")] : []));
}

const DIRECTIONS = { to_external: "sent there", from_external: "brought here" };

// What a preview counted of each stream, or why a sync stopped and asks.
function consequencesOf(found) {
  const { consequences, reasons } = found.held_details ?? {};
  return [consequences, reasons].flatMap((each) => Object.values(each ?? {}).flat()).filter((each) => typeof each === "string");
}

function showHeld(found) {
  if (!waitsForYes(found.connection)) return [];
  const said = consequencesOf(found);
  return [h("h3", null, found.connection.held_for === "preview" ? "What the first sync would do" : "Why it stopped and asks"),
    said.length ? h("ul", { class: "consequences" }, ...said.map((each) => h("li", null, each))) : empty("Nothing would change on either side.")];
}

function showDetails(found) {
  const refused = [
    ["record", (each) => [h("span", { class: "mono" }, each.record_id), sub(`${words(each.stream)}, ${DIRECTIONS[each.direction] ?? words(each.direction)}`)], "wrap"],
    ["reason", (each) => each.reason, "wrap"], ["tries", (each) => number(each.attempts), "n"], ["since", (each) => at(each.first_at)], ["again", (each) => at(each.retry_at)],
  ];
  const done = [
    ["began", (each) => at(each.started_at)], ["result", (each) => (each.success === null ? "not over" : each.success ? chip("good", "done") : chip("bad", "failed"))],
    ...["created", "updated", "failed"].map((name) => [name, (each) => number(each[`records_${name}`]), "n"]), ["errors", (each) => each.errors.join("; ") || "–", "wrap"],
  ];
  return h("div", { "data-connection": found.connection.id }, ...showHeld(found),
    h("h3", null, "Rejected records"), found.rejects.length ? table("Rejected records", refused, found.rejects) : empty("No record is rejected."),
    found.connection.rejects > found.rejects.length ? h("p", { class: "note" }, `The ${number(found.rejects.length)} that wait longest are shown.`) : null,
    h("h3", null, "Last syncs"), found.syncs.length ? table("Last syncs", done, found.syncs) : empty("It was not synced yet."));
}

const STEPS = {
  pause: ["Pause", (name) => `Nothing is read from ${name} or sent to it until somebody resumes it. What changes meanwhile on either side is caught up then.`, (name) => `${name} is paused.`],
  resume: ["Resume", (name) => `The next run syncs ${name} again and catches up what changed on either side meanwhile.`, (name) => `${name} is synced again.`],
  sync: ["Sync", (name) => `The next run syncs ${name}, whatever its schedule says. Its limits and the budget of the month hold.`, (name) => `${name} is synced by the next run.`],
  remove: ["Remove", (name) => `The next run takes the access to ${name} back, where the vendor has an address for that, and forgets it. Contacts here and records there stay as they are, and nothing is synced any more. To sync again, the account has to be connected again.`,
    (name) => `${name} is removed by the next run.`],
};

// The page's own `ask`, `act`, `attempt`, `say` and `unfold` carry it out.
function connectionActions({ ask, act, attempt, say, unfold }) {
  const order = (what) => async (each) => {
    const [verb, will, done] = STEPS[what], name = nameOf(each);
    if (await ask(`${verb} ${name}?`, will(name), verb)) await act(() => post(`/api/connections/${each.id}/${what}`), () => done(name));
  };
  async function confirm(each) {
    const found = await attempt(() => get(`/api/connections/${each.id}`));
    if (!found) return;
    const name = nameOf(each), said = consequencesOf(found);
    const text = said.length ? `The next run carries out what was shown for ${name}: ${said.join("; ")}.` : `Nothing would change on either side of ${name} now. From here on it is synced by its schedule.`;
    if (await ask(`Confirm ${name}?`, text, "Confirm")) await act(() => post(`/api/connections/${each.id}/confirm`), () => `${name} goes on with the next run.`);
  }
  async function reconnect(each) {
    const text = `This tab goes to ${words(each.integration)}, where you consent for ${nameOf(each)}. The grant that comes back replaces the one that is stored, and what waited is caught up.`;
    if (!(await ask(`Reconnect ${nameOf(each)}?`, text, "Reconnect"))) return;
    const begun = await attempt(() => post("/api/connections", { integration: each.integration, workspace: each.workspace_id, connection: each.id }));
    if (begun) location.assign(begun.path);
  }
  return { pause: order("pause"), resume: order("resume"), sync: order("sync"), remove: order("remove"), confirm, reconnect, refused: (why) => say(why, "bad"),
    details: (each, of) => unfold(of, () => get(`/api/connections/${each.id}`), showDetails) };
}

export const connections = {
  title: "Connections",
  parts: () => [],
  paths: () => ["/api/connections"],
  mount: () => [section("connections", "Connections")],
  show: (data, [rows]) => showConnections(rows, data.role, connectionActions({ ask, act, attempt, say, unfold })),
};
