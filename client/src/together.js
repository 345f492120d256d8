/**
 * Collects what is wanted at one time, by key, for as long as `pause` takes; then `answer` gets all of it, and returns
 * what each is to get, in the same order.
 */
export function together(pause, answer) {
  const wanted = new Map();
  let answers; // promise of what the next request brings

  async function next() {
    await pause();
    const all = [...wanted];
    wanted.clear();
    answers = null;
    const found = await answer(all.map(([, want]) => want));
    return new Map(all.map(([key], i) => [key, found[i]]));
  }

  return async (key, want) => {
    wanted.set(key, want);
    return (await (answers ??= next())).get(key);
  };
}
