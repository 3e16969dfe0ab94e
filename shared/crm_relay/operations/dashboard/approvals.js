// Approvals that wait, the oldest first; the approver decides with a personal token.
import { at, bodyOf, byId, chip, duration, empty, h, number, table } from "./dom.js";

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

function buttons(each, { decide, delegate }) {
  if (!each.is_mine) return null;
  const button = (action, label, kind, act = decide) => h("button", { type: "button", class: `small ${kind}`, "data-action": action,
    "aria-label": `${label} ${each.title ?? each.id}`, onclick: () => act(each, action) }, label);
  return [button("approve", "Approve", "primary"), button("reject", "Reject", "danger"), button("delegate", "Hand on", "", delegate)];
}

export function showApprovals(rows, actions) {
  const mine = rows.filter((each) => each.is_mine).length;
  const count = rows.length >= MOST ? `${number(MOST)} or more` : number(rows.length);
  byId("approvals-note").textContent = rows.length ? `${count} waiting${mine ? ` · ${number(mine)} for you` : ""}` : "";
  const columns = [
    ["approval", (each) => [each.title ?? short(each.id), h("span", { class: "sub" }, each.workflow_name)], "wrap"],
    ["asked of", approver, "wrap"], ["requested by", (each) => each.requester_name ?? (each.requester_id ? short(each.requester_id) : "nobody who is known"), "wrap"],
    ["waits", waits], ["open until", (each) => at(each.expires_at)],
    ["", (each) => buttons(each, actions), "act"],
  ];
  bodyOf("approvals").replaceChildren(rows.length ? table("Approvals that wait", columns, rows) : empty("Nothing waits for an approval."));
}
