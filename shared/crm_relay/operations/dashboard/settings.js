// The settings that are in force, without a secret.
import { bodyOf, chip, empty, h, section, sub, table } from "./dom.js";
import { NEEDS_OPERATE } from "./page.js";

const value = (each) => (each.is_secret ? chip(each.is_set ? "good" : "unknown", each.is_set ? "set, not shown" : "not set")
  : each.value === null || each.value === "" ? chip("unknown", "not set") : h("span", { class: "mono" }, each.value));

export const settings = {
  title: "Settings",
  parts: () => [],
  paths: (_here, role) => (role === "read" ? [] : ["/api/settings"]),
  mount: () => [section("settings", "Settings in force", { note: "of the function that serves this page; changed where it is deployed" })],
  show(data, [rows]) {
    if (data.role === "read") return bodyOf("settings").replaceChildren(empty(`Settings name hosts and addresses. ${NEEDS_OPERATE}`));
    return bodyOf("settings").replaceChildren(table("Settings", [
      ["setting", (each) => [h("code", null, each.name), sub(each.description)], "wrap"],
      ["value", value, "wrap"], ["from", (each) => (each.is_default ? "default" : "environment")],
    ], rows));
  },
};
