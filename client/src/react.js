"use client";
import { createContext, useContext, useEffect, useRef } from "react";
import { Gateway } from "./gateway.js";

export const GatewayContext = createContext(undefined);

export function useChannel(channel, event, callback, options) {
  if (typeof callback !== "function") throw new TypeError(`useChannel takes a function, not ${typeof callback}`);
  const given = useContext(GatewayContext);
  const newest = useRef({});
  useEffect(() => {
    newest.current = { callback, options };
  });
  useEffect(() => {
    if (!channel || given === null) return undefined; // a provider has none yet
    let claim;
    let isMounted = true;
    const listen = (gateway) => {
      if (!isMounted) return;
      claim = gateway.subscribe(channel, newest.current.options);
      claim.bind(event, (...news) => newest.current.callback(...news));
    };
    const gateway = given ?? Gateway.latest;
    // A parent's effect, which runs after those of its children, may make it.
    if (gateway) listen(gateway);
    else Gateway._page._first.then(() => listen(Gateway.latest));
    return () => {
      isMounted = false;
      claim?.unsubscribe();
    };
  }, [given, channel, event]);
}
