// The emergency brake: what is stopped, by whom and since when; whoever may operate stops and resumes it here.
import { at, byId, h } from "./dom.js";
import { NEEDS_OPERATE, order } from "./page.js";

const whose = (each) => (each.organization_id === null ? "Sending" : `Sending of ${each.organization ?? each.organization_id}`);

function line(each, mayOperate, resume) {
  const text = h("span", null, h("strong", null, `${whose(each)} is stopped`), " since ", at(each.stopped_at), ` by ${each.stopped_by}`,
    each.reason ? `: ${each.reason}` : "", ". Campaigns keep their places.");
  const label = each.organization_id === null ? "Resume sending" : `Resume ${whose(each).toLowerCase()}`;
  return h("p", { "data-stop": each.organization_id ?? "everything" }, text,
    order("Resume", () => resume(each), { name: label, why: mayOperate ? null : NEEDS_OPERATE }));
}

export function showSending(stops, role, resume) {
  const mayOperate = role !== "read";
  byId("sending").hidden = !stops.length;
  byId("sending").replaceChildren(...stops.map((each) => line(each, mayOperate, resume)));
}

export function hideSending() {
  byId("sending").hidden = true;
  byId("sending").replaceChildren();
}
