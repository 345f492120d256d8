import { isText } from "./options.js";

/** The events of a message, which has one or several, each in the envelope that it would have alone. */
export const eventsIn = ({ events = {}, ...message }) =>
  [events]
    .flat()
    .map((event) => ({ ...event, ...message }))
    .filter(({ event }) => isText(event));
