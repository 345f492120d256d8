import { find } from "./elements.js";

/** Calls what belongs to a key, except where somebody is typing; `actions.Escape` anywhere. */
export function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (find("app").hidden || event.ctrlKey || event.metaKey || event.altKey || find("keys").open) return;
    const isTyping = event.target.closest("input:not([type=range]), select, form");
    if (!Object.hasOwn(actions, event.key) || (isTyping && event.key !== "Escape")) return;
    if (event.key !== "Escape") event.preventDefault();
    actions[event.key]();
  });
}
