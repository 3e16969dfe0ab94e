// Everything that is known of one person: what has a moment as one timeline, the rest as it is now.
import { at, empty, h, words } from "./dom.js";

const MOMENT = /(^at$|_at$|^since$|^until$)/;
const QUIET = new Set(["id", "ids", "campaign_id", "workflow_id", "execution_id", "connection_id", "enrollment_id", "notification_id", "org_id"]);
const ROOMS = { customers: "Mautic", removals: "Mautic", engagement: "Mautic", outreach: "outreach", campaigns: "campaign", delivery: "mail", notifications: "notification",
  workflows: "workflow", connections: "connection", inbox: "delivery", erasure: "erasure", ledger: "consent", opt_outs_waiting: "consent" };

export function plain(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (value === true || value === false) return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.map(plain).join(", ") : "none";
  if (typeof value === "object") return Object.entries(value).map(([name, each]) => `${words(name)}: ${plain(each)}`).join("; ") || "none";
  return String(value);
}
const isMoment = (name, value) => MOMENT.test(name) && typeof value === "string" && !Number.isNaN(Date.parse(value));
const shown = (name, value) => (isMoment(name, value) ? at(value) : plain(value));

// What a row is about, in its own words: the first of these that it has.
const ABOUT = ["campaign", "title", "name", "workflow", "kind", "event_type", "event", "type", "source", "subject", "integration", "label", "topic", "template", "channel", "entity_type"];
const about = (row) => ABOUT.filter((name) => typeof row[name] === "string" && row[name]).slice(0, 2).map((name) => words(row[name])).join(", ");
const VERBS = { at: "", created_at: "began", occurred_at: "", queued_at: "made", sent_at: "sent", delivered_at: "delivered", opened_at: "first opened", clicked_at: "first clicked", bounced_at: "bounced",
  complained_at: "complained", unsubscribed_at: "unsubscribed", next_step_at: "next step", received_at: "received", recorded_at: "recorded", completed_at: "completed", started_at: "began" };
const verb = (name) => VERBS[name] ?? words(name.replace(/_at$/, ""));

function rowsOf(known) {
  const found = [];
  const add = (room, kind, row) => { if (row && typeof row === "object") found.push({ room, kind, row }); };
  for (const [room, part] of Object.entries(known)) {
    if (Array.isArray(part)) part.forEach((row) => add(room, words(room), row));
    else if (part && typeof part === "object") for (const [kind, rows] of Object.entries(part)) if (Array.isArray(rows)) rows.forEach((row) => add(room, words(kind), row));
  }
  // The steps of a sequence are moments of their own.
  for (const each of known.campaigns?.enrolled ?? []) for (const step of each.steps ?? []) found.push({ room: "campaigns", kind: "step", row: { campaign: each.campaign, ...step } });
  return found;
}

// Each moment of each row is a line; the same moment of the same row is said once.
export function momentsOf(known) {
  const moments = [];
  for (const { room, kind, row } of rowsOf(known).filter((each) => each.room !== "customers")) {
    const seen = new Set();
    for (const [name, value] of Object.entries(row)) {
      if (!isMoment(name, value) || seen.has(value) || name === "updated_at") continue;
      seen.add(value);
      moments.push({ at: value, room: ROOMS[room] ?? words(room), kind, verb: verb(name), row });
    }
  }
  return moments.sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
}

const details = (row) => h("dl", { class: "facts" }, Object.entries(row).filter(([name, value]) => !QUIET.has(name) && name !== "steps" && value !== null && value !== "" && !(Array.isArray(value) && !value.length))
  .map(([name, value]) => h("div", null, h("dt", null, words(name)), h("dd", null, shown(name, value)))));
const because = (row) => [row.status, row.reason, row.stopped_reason, row.held_for].filter((each) => typeof each === "string" && each).map(words).join(", ");

function line(each) {
  const said = [about(each.row), each.verb].filter(Boolean).join(": "), why = because(each.row);
  return h("li", { "data-room": each.room }, h("span", { class: "when" }, at(each.at)), h("span", { class: "room" }, each.room),
    h("details", { class: "what" }, h("summary", null, said || each.kind, why ? h("span", { class: "note" }, ` ${why}`) : null), details(each.row)));
}

export function timeline(moments) {
  const now = Date.now(), ahead = moments.filter((each) => Date.parse(each.at) > now), past = moments.filter((each) => Date.parse(each.at) <= now);
  return [ahead.length ? [h("h3", null, "Ahead"), h("ol", { class: "timeline ahead" }, ahead.map(line))] : null,
    past.length ? [ahead.length ? h("h3", null, "So far") : null, h("ol", { class: "timeline" }, past.map(line))] : empty("Nothing has happened yet.")];
}

function customer(each) {
  return h("article", { class: "known", "aria-label": `Customer ${each.customer_id}` }, h("h3", null, `In Mautic: ${each.action}`), h("p", null, each.reason),
    details({ customer: each.customer_id, address: each.address, "contact in Mautic": each.contact_id, "do not contact wanted": each.wanted_dnc ?? "no", "changes not read yet": each.open_notes,
      "memberships wanted": each.memberships?.wanted, "memberships confirmed": each.memberships?.confirmed, joins: each.joins, leaves: each.leaves, ...(each.status ?? {}) }));
}

// What has no moment: where the person is by now, room by room.
export function standing(known) {
  const timeless = rowsOf(known).filter(({ room, row }) => room !== "customers" && !Object.entries(row).some(([name, value]) => isMoment(name, value)));
  const erased = known.erasure?.is_erased ? [h("p", { class: "problem" }, "This person was erased and is kept away.")] : [];
  const parts = [...erased, ...known.customers.map(customer), ...timeless.map(({ room, kind, row }) => h("article", { class: "known" }, h("h3", null, `${ROOMS[room] ?? words(room)}: ${kind}`), details(row)))];
  if (known.customers_left_out) parts.push(empty(`${known.customers_left_out} more customers share this mailbox.`));
  return h("div", { class: "standing" }, parts.length ? parts : empty("No more than the timeline says."));
}
