"use client";
import { createContext, useContext, useEffect, useRef } from "react";
import { Gateway } from "./gateway.js";

export const GatewayContext = createContext(undefined);

export function useChannel(channel, event, callback) {
  if (typeof callback !== "function") throw new TypeError(`useChannel takes a function, not ${typeof callback}`);
  const given = useContext(GatewayContext);
  const newest = useRef(callback);
  useEffect(() => {
    newest.current = callback;
  });
  useEffect(() => {
    if (!channel || given === null) return undefined; // a provider has none yet
    let claim;
    let isMounted = true;
    const listen = (gateway) => {
      if (isMounted) claim = gateway.subscribe(channel).bind(event, (...news) => newest.current(...news));
    };
    const gateway = given ?? Gateway.latest;
    // A parent's effect, which runs after those of its children, may make it.
    if (gateway) listen(gateway);
    else Gateway._any.then(listen);
    return () => {
      isMounted = false;
      claim?.unsubscribe();
    };
  }, [given, channel, event]);
}
