import { Emitter } from "./emitter.js";

/** One claim on a channel, with its own callbacks: what `subscribe` returns. */
export class Channel extends Emitter {
  subscribed = false;
  _stands = false; // whether the gateway posts to us whatever is sent

  constructor(gateway, name, { since = null, rewind = 0 }) {
    super();
    this._gateway = gateway;
    this.name = name;
    this.position = since; // on a channel with history: { epoch, seq } of the last message that was handed on
    this._rewind = rewind;
  }

  unsubscribe() {
    this._close();
    this._gateway._settle(this.name);
  }

  _close() {
    this.unbind_all();
    this._stand(false);
    this._gateway.connection._remove(this);
  }

  /** From now on the gateway posts to us whatever is sent, or not any more. */
  _stand(stands) {
    if (stands === this._stands) return;
    this._stands = stands;
    this.subscribed = false;
    if (stands) this._gateway.connection._load();
    this._join();
  }

  /** With history it is subscribed once that was read; without, at once. */
  _join() {
    const { _place: place, _options: options } = this._gateway.connection;
    if (place) {
      place(this)._stand(this._stands);
    } else if (this._stands && !this.subscribed) {
      // Without its module history cannot be read, and what is handed on from now is not to come again.
      if (options.history) this.position = this._rewind = null;
      this._tell(options.history ? { recovered: false, position: null } : {});
    }
  }

  _tell(state) {
    this.subscribed = true;
    this._emit("pusher:subscription_succeeded", state);
  }
}
