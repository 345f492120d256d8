/**
 * Returns a function that has `render` called with the next picture, once, however often it is called before; and again
 * `pause` milliseconds later at the earliest, so that a flood of events leaves the page time for its reader.
 */
export function beforeNextFrame(render, pause = 0) {
  let isDue = false;
  let drawn = -Infinity;
  const draw = () =>
    requestAnimationFrame((now) => {
      isDue = false;
      drawn = now;
      render();
    });
  return () => {
    if (isDue) return;
    isDue = true;
    const wait = drawn + pause - performance.now();
    if (wait > 0) setTimeout(draw, wait);
    else draw();
  };
}
