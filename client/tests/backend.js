/**
 * A gateway that speaks WebSocket and a backend that speaks HTTP, on one port of this machine.
 *
 * It does what hurts clients of API Gateway: messages are handled concurrently, so answers come in any order; a
 * subscription pushes the connection id; only registered connections get events; a broadcast goes to those that were
 * registered when it began, one post after the other.
 */
import { createServer } from "node:http";
import { once } from "node:events";
import { WebSocketServer } from "ws";

const soon = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 5));

export class Backend {
  connections = new Map(); // connection id -> WebSocket
  registered = new Set();
  subscribed = new Map(); // connection id -> Set of channels
  delivered = []; // what at least one open connection was sent
  opened = 0;
  failing = 0; // requests to answer with 500
  isAuthorized = true;
  #events = 0;

  async start() {
    this.http = createServer((request, response) => this.#answer(request, response));
    const sockets = new WebSocketServer({ server: this.http, path: "/production", maxPayload: 32 * 1024 });
    sockets.on("connection", (socket) => this.#accept(socket));
    await once(this.http.listen(0, "127.0.0.1"), "listening");
    this.origin = `127.0.0.1:${this.http.address().port}`;
    return this;
  }

  stop() {
    for (const socket of this.connections.values()) socket.terminate();
    this.http.closeAllConnections();
    this.http.close();
  }

  async #answer(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { connection_id, channel } = JSON.parse(body);
    await soon();
    let status = request.method === "POST" ? 200 : 405;
    if (this.failing > 0) {
      this.failing--;
      status = 500;
    } else if (request.url === "/websocket/register") {
      if (this.connections.has(connection_id)) this.registered.add(connection_id);
    } else if (!this.isAuthorized) {
      status = 403;
    }
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ auth: `${connection_id}:${channel}` }));
  }

  #accept(socket) {
    const id = `connection-${++this.opened}=`;
    const say = (frame) => socket.readyState === 1 && socket.send(JSON.stringify(frame));
    this.connections.set(id, socket);
    this.subscribed.set(id, new Set());
    socket.on("close", () => {
      this.connections.delete(id);
      this.registered.delete(id);
    });
    socket.on("message", async (text) => {
      const { action, channel, auth } = JSON.parse(text);
      await soon();
      if (action === "connection_id") say({ type: "connection_id", connection_id: id });
      else if (action === "ping") say({ type: "pong" });
      else if (action === "subscribe" && auth !== undefined && auth !== `${id}:${channel}`) {
        say({ channel, event: "pusher:subscription_error", data: { status: 403, message: "wrong signature" } });
      } else if (action === "subscribe") {
        say({ type: "connection_id", connection_id: id });
        await soon();
        this.subscribed.get(id).add(channel);
        say({ type: "subscription_succeeded", channel });
      } else if (action === "unsubscribe") {
        this.subscribed.get(id).delete(channel);
        say({ type: "unsubscribe_succeeded", channel });
      }
    });
  }

  async broadcast(pause = soon) {
    const number = this.#events++;
    const frame = JSON.stringify({ channel: "admin", event: "admin_event", data: number, id: `id-${number}` });
    let reached = 0;
    for (const id of [...this.registered]) {
      const socket = this.connections.get(id);
      if (socket?.readyState === 1) {
        socket.send(frame);
        reached++;
      }
      await pause();
    }
    if (reached) this.delivered.push(number);
    return reached;
  }

  /** As API Gateway ends a connection; what was sent before arrives before. */
  cut() {
    for (const socket of this.connections.values()) socket.close(1001, "Going away");
  }
}
