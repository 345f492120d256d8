import { find, make } from "./elements.js";

const current = new Map(); // what it is about -> text

/** Shows what is wrong, one line for each thing that can be, until it is said to be over by an empty text. */
export function report(about, text = "") {
  if ((current.get(about) ?? "") === text) return;
  if (text) current.set(about, text);
  else current.delete(about);
  const list = find("problems");
  list.hidden = !current.size;
  list.replaceChildren(...[...current.values()].map((each) => make("p", each)));
}
