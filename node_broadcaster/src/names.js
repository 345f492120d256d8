/** What a connection id, a channel and an event may be called. Ids come from browsers and end up in a URL. */
"use strict";

const { InvalidArgumentError, show } = require("./errors.js");

// Real ids are 15 characters of URL-safe base64 and one equals sign; AWS documents no length, so there is room.
const CONNECTION_ID = /^(?=.{8,64}$)[A-Za-z0-9_-]+={0,2}$/;
const MAX_CHANNEL_LENGTH = 200;
const NOT_IN_CHANNELS = /[^A-Za-z0-9_\-=@,.;:/]/u;

/** Return `connectionId` if nothing in it can change the path of a URL; throw an InvalidArgumentError otherwise. */
function checkConnectionId(connectionId) {
  if (typeof connectionId !== "string") {
    throw new InvalidArgumentError(`a connection id is text like 'L0SM9cOFvHcCIhw=', not ${typeof connectionId}`);
  }
  if (!CONNECTION_ID.test(connectionId)) {
    throw new InvalidArgumentError(`${show(connectionId, 80)} is not a connection id; they look like 'L0SM9cOFvHcCIhw='`);
  }
  return connectionId;
}

/** Return `channel` if it is a channel name; throw an InvalidArgumentError otherwise. */
function checkChannel(channel) {
  if (typeof channel !== "string") {
    throw new InvalidArgumentError(`a channel name is text, not ${typeof channel}`);
  }
  const { length } = [...channel];
  if (length < 1 || length > MAX_CHANNEL_LENGTH) {
    throw new InvalidArgumentError(
      `a channel name has 1 to ${MAX_CHANNEL_LENGTH} characters, this one has ${length}`,
    );
  }
  const bad = NOT_IN_CHANNELS.exec(channel);
  if (bad) {
    throw new InvalidArgumentError(
      `channel ${show(channel, 200)} has ${show(bad[0])} in it; allowed are A-Z a-z 0-9 _ - = @ , . ; : /`,
    );
  }
  return channel;
}

/** Return `event` if it is an event name; throw an InvalidArgumentError otherwise. */
function checkEvent(event) {
  if (typeof event !== "string" || !event) {
    throw new InvalidArgumentError(`an event name is non-empty text, not ${show(event, 80)}`);
  }
  return event;
}

module.exports = { checkChannel, checkConnectionId, checkEvent };
