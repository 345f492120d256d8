export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

// API Gateway ends a connection after 10 minutes without a message and after 2 hours in any case, and takes 32 KB in a
// frame; a browser cannot split one.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
export const FRAME_LIMIT = 32 * 1024; // bytes of UTF-8
export const EARLIEST_RENEWAL = 90 * MINUTE; // at a random age, so that clients that came together part again
export const LATEST_RENEWAL = 115 * MINUTE;
// A ping and its answer are two billed messages. 8.5 minutes leave room for the slow timers of a hidden page.
export const ACTIVITY_TIMEOUT = 8.5 * MINUTE;
export const PONG_TIMEOUT = 10 * SECOND;
export const OPEN_TIMEOUT = 15 * SECOND; // until the id is known: handshake, `$connect` and a message, all cold
export const ANSWER_TIMEOUT = 10 * SECOND; // the Lambda's own limit
// A request to one's own backend, which AWS does not bill. A backend that was restarted knows nobody until then.
export const REGISTER_INTERVAL = MINUTE;

export const TICK = 30 * SECOND; // how often the age and the silence of a link are looked at
export const LONGEST_TICK = 2 * MINUTE; // of a page that is awake: a hidden one's timers run once a minute
export const STABLE = 10 * SECOND; // a link that lived this long starts the back-off anew
export const OVERLAP = 20 * SECOND; // a broadcast that listed only the old connection has ended: its deadline is 15 s
export const LONGEST_PAUSE = 30 * SECOND;
export const REMEMBERED = 5000; // event ids: twenty seconds of 250 events a second
export const PATIENCE = 10 * SECOND; // live events wait for history, but not for ever
export const GATHERING = SECOND / 2; // until every channel of a new connection is subscribed
