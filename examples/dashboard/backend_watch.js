import { config } from "./session.js";

const PAUSE = 5000; // milliseconds between two looks; they go to one's own backend and cost nothing at AWS
const PAUSE_WHILE_LOST = 1000;

/**
 * Asks again and again, while the page is visible, whether the backend answers. A connection to the gateway does not
 * say so: it stays open when the backend is killed, and a backend that was restarted does not know it.
 */
export class BackendWatch {
  #known; // the configuration as it was answered last
  #isLost = false;
  #isClosed = false;
  #isLooking = false;
  #timer;
  #tell;

  /** @param tell functions `lost()`, `back(config)` after that or with another process, `answered(config)` each time */
  constructor(known, tell) {
    this.#known = known;
    this.#tell = tell;
    document.addEventListener("visibilitychange", this.look);
    this.#wait();
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.look);
  }

  /** Looks now, e.g. because a request was not answered. */
  look = async () => {
    clearTimeout(this.#timer);
    if (this.#isClosed || this.#isLooking || document.hidden) return;
    this.#isLooking = true;
    const answer = await config().catch(() => undefined);
    this.#isLooking = false;
    if (this.#isClosed) return;
    if (answer) this.#answered(answer);
    else if (!this.#isLost) this.#tell.lost((this.#isLost = true));
    this.#wait();
  };

  #answered(answer) {
    const isBack = this.#isLost || answer.instance !== this.#known.instance;
    this.#known = answer;
    this.#isLost = false;
    this.#tell.answered(answer);
    if (isBack) this.#tell.back(answer);
  }

  #wait() {
    if (!this.#isClosed) this.#timer = setTimeout(this.look, this.#isLost ? PAUSE_WHILE_LOST : PAUSE);
  }
}
