// Approvals that wait, the oldest first; the approver decides with a personal token.
import { get, post } from "./api.js";
import { at, bodyOf, byId, chip, duration, empty, h, number, section, table } from "./dom.js";
import { act, ask, attempt, say } from "./page.js";

const ROLES = { deputy: "as deputy of", manager: "as manager of", owner: "as owner, for", delegation: "handed on, for", escalation: "escalated, for" };
const short = (id) => h("span", { class: "mono" }, id.slice(0, 8));
const late = (each) => each.due_at && Date.parse(each.due_at) < Date.now();
const MOST = 100;

function approver(each) {
  const instead = each.came_by === "self" ? null : [ROLES[each.came_by], each.stands_for_name ?? "nobody who is there"].join(" ");
  return [each.approver_name ?? short(each.approver_id), instead ? h("span", { class: "sub" }, instead) : null];
}

function waits(each) {
  const due = each.due_at ? h("span", { class: "sub" }, "due ", at(each.due_at)) : null;
  return [late(each) ? chip("warn", duration(each.age_seconds)) : duration(each.age_seconds), due];
}

function buttons(each) {
  if (!each.is_mine) return null;
  const button = (action, label, kind, press = decide) => h("button", { type: "button", class: `small ${kind}`, "data-action": action,
    "aria-label": `${label} ${each.title ?? each.id}`, onclick: () => press(each, action) }, label);
  return [button("approve", "Approve", "primary"), button("reject", "Reject", "danger"), button("delegate", "Hand on", "", delegate)];
}

async function decide(each, action) {
  const [verb, done] = action === "approve" ? ["Approve", "Approved"] : ["Reject", "Rejected"];
  const text = `${each.title ?? "The request"}, requested by ${each.requester_name ?? "nobody who is known"}. This cannot be taken back.`;
  if (!(await ask(`${verb} this?`, text, verb, { why: true }))) return;
  const notes = byId("confirm-reason").value.trim();
  await act(() => post(`/api/approvals/${each.id}/${action}`, { way: "page", ...(notes && { notes }) }), (found) =>
    found.changed ? `${done}. The workflow goes on.` : `It was decided before: ${found.status}.`);
}
async function delegate(each) {
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

function showApprovals(rows) {
  const mine = rows.filter((each) => each.is_mine).length;
  const count = rows.length >= MOST ? `${number(MOST)} or more` : number(rows.length);
  byId("approvals-note").textContent = rows.length ? `${count} waiting${mine ? ` · ${number(mine)} for you` : ""}` : "";
  const columns = [
    ["approval", (each) => [each.title ?? short(each.id), h("span", { class: "sub" }, each.workflow_name)], "wrap"],
    ["asked of", approver, "wrap"], ["requested by", (each) => each.requester_name ?? (each.requester_id ? short(each.requester_id) : "nobody who is known"), "wrap"],
    ["waits", waits], ["open until", (each) => at(each.expires_at)],
    ["", (each) => buttons(each), "act"],
  ];
  bodyOf("approvals").replaceChildren(rows.length ? table("Approvals that wait", columns, rows) : empty("Nothing waits for an approval."));
}

export const approvals = {
  title: "Approvals",
  parts: () => [],
  paths: () => [`/api/approvals?limit=${MOST}`],
  mount: () => [section("approvals", "Approvals")],
  show: (_data, [rows]) => showApprovals(rows),
};
