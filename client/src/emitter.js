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
    return this.#drop((name) => name !== null && (!event || name === event), callback);
  }

  unbind_global(callback) {
    return this.#drop((name) => name === null, callback);
  }

  unbind_all() {
    return this.#drop(() => true);
  }

  #drop(isMeant, callback) {
    this.#bindings = this.#bindings.filter(([name, bound]) => !isMeant(name) || (callback && bound !== callback));
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
