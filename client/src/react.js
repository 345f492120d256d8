"use client";
import { createContext, useContext, useEffect, useRef } from "react";
import { Gateway } from "./gateway.js";

export const GatewayContext = createContext(null);

export function useChannel(channel, event, callback) {
  const given = useContext(GatewayContext);
  const newest = useRef(callback);
  useEffect(() => {
    newest.current = callback;
  });
  useEffect(() => {
    if (!channel) return;
    const gateway = given ?? Gateway.latest;
    if (!gateway) throw new Error("useChannel found no Gateway; make one first, or give one through GatewayContext");
    const claim = gateway.subscribe(channel).bind(event, (...news) => newest.current(...news));
    return () => claim.unsubscribe();
  }, [given, channel, event]);
}
