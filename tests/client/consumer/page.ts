import { Gateway, type Channel } from "apigw-broadcaster-client";
import { useChannel, type UseChannel } from "apigw-broadcaster-client/react";

interface Events {
  logs: { log: { text: string } };
}

const gateway = new Gateway<Events>("wss://live.example.com/production");
export const logs: Channel<Events["logs"]> = gateway.subscribe("logs").bind("log", (line) => line.text);
// @ts-expect-error: so these are the types, and not any
gateway.subscribe("log");
export const useEvents: UseChannel<Events> = useChannel;
