const due = []; // what is to be drawn

/** One with each picture: together they would be one long task, and a picture later nobody notices. */
function drawFirst(now) {
  const draw = due.shift();
  if (due.length) requestAnimationFrame(drawFirst);
  draw(now);
}

/**
 * Returns a function that has `render` called with one of the next pictures, once, however often it is called before;
 * and again `pause` milliseconds later at the earliest, so that a flood of events leaves the page time for its reader.
 * Without a pause, as an answer to somebody's hand, it comes before what waits with one.
 *
 * When `render` begins, the page is laid out as it was drawn last: what it reads of that first costs nothing.
 */
export function beforeNextFrame(render, pause = 0) {
  let isDue = false;
  let drawn = -Infinity;
  const draw = (now) => {
    isDue = false;
    drawn = now;
    render();
  };
  const enter = () => {
    if (pause) due.push(draw);
    else due.unshift(draw);
    if (due.length === 1) requestAnimationFrame(drawFirst);
  };
  return () => {
    if (isDue) return;
    isDue = true;
    const wait = drawn + pause - performance.now();
    if (wait > 0) setTimeout(enter, wait);
    else enter();
  };
}
