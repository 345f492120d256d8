import { find, say } from "./elements.js";
import { report } from "./problems.js";
import { request } from "./session.js";

const SPEEDS = [0, 0.5, 1, 2, 5, 10, 25, 40];
const RUNS_A_MINUTE = 6; // at speed 1
const inWords = (speed) => (speed ? `${speed * RUNS_A_MINUTE} runs a minute` : "Off");

/** The simulated workflow engine's switch. */
export function controlTraffic(onError) {
  const slider = find("speed");
  slider.max = SPEEDS.length - 1;
  const show = (speed) => {
    say(find("speed-text"), inWords(speed));
    slider.setAttribute("aria-valuetext", inWords(speed));
  };
  const attempt = async (about, action) => {
    try {
      await action();
      report(about);
    } catch (error) {
      onError(error, about);
    }
  };
  let turns = 0; // by whoever sits here
  slider.addEventListener("input", () => {
    turns++;
    show(SPEEDS[slider.value]);
  });
  slider.addEventListener("change", () =>
    attempt("traffic", () => request("PUT", "/simulation", { speed: SPEEDS[slider.value] })),
  );
  find("run-one").addEventListener("click", () => attempt("traffic", () => request("POST", "/simulation/runs", {})));
  return {
    /** Another page, or curl, may have turned it. */
    refresh: () =>
      attempt("simulation", async () => {
        const before = turns;
        const { speed } = await request("GET", "/simulation");
        if (turns !== before) return; // the answer is older than the hand on the slider
        slider.value = SPEEDS.findLastIndex((known) => known <= speed);
        show(speed);
      }),
  };
}
