import { kept } from "./kept.js";

/**
 * Collects what is asked at one time, for as long as `pause` takes, each question once; then `answer` gets all of it,
 * and returns what each is to get, in the same order.
 */
export function together(pause, answer) {
  const asked = new Map(); // question, as text -> promise of its answer
  let answers; // promise of what the next request brings

  async function next() {
    await pause();
    const questions = [...asked.keys()].map((text) => JSON.parse(text));
    asked.clear();
    answers = null;
    return answer(questions);
  }

  return (question) => {
    const i = asked.size;
    return kept(asked, JSON.stringify(question), () => (answers ??= next()).then((found) => found[i]));
  };
}
