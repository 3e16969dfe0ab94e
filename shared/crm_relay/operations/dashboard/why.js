// What is known of one person, as lines that are read from top to bottom.
import { at, bodyOf, empty, h, words } from "./dom.js";

const plain = (value) => {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.length ? value.map(plain).join(", ") : "none";
  if (typeof value === "object") return Object.entries(value).map(([name, each]) => `${words(name)}: ${plain(each)}`).join("; ");
  return String(value);
};
const MOMENT = /(^at$|_at$|^since$|^until$)/;
const item = (row) => h("li", null, typeof row !== "object" || row === null ? plain(row)
  : Object.entries(row).filter(([, value]) => value !== null).map(([name, value], place) =>
    [place ? " · " : "", h("span", { class: "note" }, `${words(name)} `), MOMENT.test(name) && typeof value === "string" ? at(value) : plain(value)]));
const list = (title, rows) => (rows?.length ? h("div", null, h("h3", null, title), h("ul", null, rows.map(item))) : null);

function customer(each) {
  const status = each.status ?? {};
  return h("div", null,
    h("h3", null, `${each.action}: ${each.reason}`),
    h("ul", null,
      item({ customer: each.customer_id, address: each.address, "contact in Mautic": each.contact_id }),
      item({ "do-not-contact wanted": each.wanted_dnc ?? "no", "changes not read yet": each.open_notes }),
      item({ "memberships wanted": each.memberships.wanted, confirmed: each.memberships.confirmed, joins: each.joins, leaves: each.leaves }),
      Object.keys(status).length ? item(status) : null));
}

export function showWhy(known) {
  if (!known.is_anything) return bodyOf("why").replaceChildren(empty("Nothing is known of anybody by that name."));
  const known_here = new Set(["is_anything", "customers", "customers_left_out", "removals", "engagement", "inbox", "erasure", "ledger"]);
  bodyOf("why").replaceChildren(h("div", { class: "answer" },
    known.customers.map(customer),
    known.customers_left_out ? empty(`${known.customers_left_out} more customers share this mailbox.`) : null,
    list("Suppression ledger", [...known.ledger].reverse()),
    list("Addresses", known.engagement.addresses),
    list("Newest events", known.engagement.events), list("Events that wait for a customer", known.engagement.waiting),
    list("To be removed in Mautic", known.removals),
    list("Deliveries", known.inbox.deliveries), list("Failed tasks", known.inbox.failed_tasks),
    list("Erasure", known.erasure.is_erased || known.erasure.receipts.length ? [{ "kept away": known.erasure.is_erased ? "yes" : "no" }, ...known.erasure.receipts] : []),
    Object.entries(known).filter(([name]) => !known_here.has(name)).flatMap(([name, part]) =>
      Array.isArray(part) ? [list(words(name), part)] : Object.entries(part ?? {}).map(([inner, rows]) => (Array.isArray(rows) ? list(`${words(name)}: ${words(inner)}`, rows) : null)))));
}
