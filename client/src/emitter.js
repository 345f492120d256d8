/** Callbacks by event name. What is shared between classes of this package alone begins with an underscore. */
export class Emitter {
  #bindings = []; // [event, or null for every event; callback]

  bind(event, callback) {
    if (typeof callback !== "function") throw new TypeError(`bind takes a function, not '${callback}'`);
    this.#bindings.push([event, callback]);
    return this;
  }

  bind_global(callback) {
    return this.bind(null, callback);
  }

  /** Without a callback every one of the event's goes, without an event those of every event. */
  unbind(event, callback) {
    const isOther = ([name, bound]) => (event && name !== event) || (callback && bound !== callback);
    return this.#keep((binding) => binding[0] === null || isOther(binding));
  }

  unbind_global(callback) {
    return this.#keep(([name, bound]) => name !== null || (callback && bound !== callback));
  }

  unbind_all() {
    return this.#keep(() => false);
  }

  #keep(isKept) {
    this.#bindings = this.#bindings.filter(isKept);
    return this;
  }

  /** Returns whether anybody was told. */
  _emit(event, ...rest) {
    let isHeard = false;
    for (const binding of [...this.#bindings]) {
      const [name, callback] = binding;
      // An earlier callback may have unbound this one.
      if ((name ?? event) !== event || !this.#bindings.includes(binding)) continue;
      isHeard = true;
      try {
        name === null ? callback(event, ...rest) : callback(...rest);
      } catch (error) {
        // Goes to the page's own error handling; the other callbacks and the socket know nothing of it.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return isHeard;
  }
}
