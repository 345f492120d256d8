/** Asks for what is wanted at one time in one request: `answer` gets all of it after a `pause`, and answers in order. */
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
