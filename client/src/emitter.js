import { isFunction } from "./options.js";

/** Callbacks by event name. What is shared between parts of this package alone begins with an underscore. */
export class Emitter {
  #bindings = []; // [event, or null for every event; callback]

  constructor(members) {
    Object.assign(this, members);
  }

  bind(event, callback) {
    if (!isFunction(callback)) throw new TypeError(`bind takes a function, not '${callback}'`);
    this.#bindings.push([event, callback]);
    return this;
  }

  bind_global(callback) {
    return this.bind(null, callback);
  }

  /** Without a callback every one of the event's goes, without an event those of every event. */
  unbind(event, callback) {
    const isKept = ([name, bound]) =>
      name === null || (event && event !== name) || (callback && callback !== bound);
    return this.#keep(isKept);
  }

  unbind_global(callback) {
    return this.#keep(([name, bound]) => name !== null || (callback && callback !== bound));
  }

  unbind_all() {
    return this.#keep(() => false);
  }

  #keep(isKept) {
    this.#bindings = this.#bindings.filter(isKept);
    return this;
  }

  /** Returns how many were told. */
  _emit(event, ...rest) {
    const bindings = this.#bindings.filter(([name]) => (name ?? event) === event);
    for (const binding of bindings) {
      if (!this.#bindings.includes(binding)) continue; // an earlier callback has unbound it
      const [name, callback] = binding;
      try {
        name === null ? callback(event, ...rest) : callback(...rest);
      } catch (error) {
        // Goes to the page's own error handling; the other callbacks and the socket know nothing of it.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return bindings.length;
  }
}
