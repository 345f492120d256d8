"use client";
import { useState } from "react";
import { Gateway } from "apigw-broadcaster-client";
import { useChannel } from "apigw-broadcaster-client/react";

export function Runs({ id }) {
  // Made anew with every render, as people do; the page has one connection all the same.
  new Gateway(process.env.NEXT_PUBLIC_PUSHER_KEY, { register: "/websocket/register" });
  const [names, setNames] = useState([]);
  const [isReady, setReady] = useState(false);
  useChannel("admin", "pusher:subscription_succeeded", () => setReady(true));
  useChannel("admin", "admin_event", ({ run_name }) => setNames((known) => [...known, run_name]));
  return (
    <ul id={id} data-ready={isReady}>
      {names.map((name, i) => (
        <li key={i}>{name}</li>
      ))}
    </ul>
  );
}
