/** Returns a function that has `render` called once, with the next picture, however often it is called before. */
export function beforeNextFrame(render) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      render();
    });
  };
}
