/** What a connection id, a channel and an event may be called. Ids come from browsers and end up in a URL. */
"use strict";

const { InvalidArgumentError, show } = require("./errors.js");

// Every id seen is URL-safe base64 of 11 bytes: 15 characters and one `=`. AWS documents no length, so there is room.
const CONNECTION_ID = /^[A-Za-z0-9_-]{8,64}={0,2}$/;
const MAX_CHANNELS = 100; // of one connection, unless a setting says otherwise
const MAX_LENGTH = 200; // characters of a channel's or an event's name
const NOT_IN_CHANNELS = /[^A-Za-z0-9_\-=@,.;:/]/u;
const UNPRINTABLE = /(?! )[\p{C}\p{Z}]/u;
// Events that the client library makes itself, by the convention of Pusher; nobody can broadcast them.
// https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/
const OWN_EVENTS = /^pusher(_internal)?:/;

/** Return `connectionId` if nothing in it can change the path of a URL; throw an InvalidArgumentError otherwise. */
function checkConnectionId(connectionId) {
  if (typeof connectionId !== "string") {
    throw new InvalidArgumentError(`a connection id is text like 'L0SM9cOFvHcCIhw=', not ${typeof connectionId}`);
  }
  if (!CONNECTION_ID.test(connectionId)) {
    throw new InvalidArgumentError(
      `${show(connectionId, 80)} is not a connection id; they look like 'L0SM9cOFvHcCIhw=': ` +
        "8 to 64 of A-Z a-z 0-9 _ -, then at most two =",
    );
  }
  return connectionId;
}

/** Return `channel` if it is a channel name; throw an InvalidArgumentError otherwise. */
function checkChannel(channel) {
  if (typeof channel !== "string") {
    throw new InvalidArgumentError(`a channel name is text, not ${typeof channel}`);
  }
  checkLength("a channel name", channel);
  const bad = NOT_IN_CHANNELS.exec(channel);
  if (bad) {
    throw new InvalidArgumentError(
      `channel ${show(channel)} has ${show(bad[0])} in it; allowed are A-Z a-z 0-9 _ - = @ , . ; : /`,
    );
  }
  return channel;
}

/** Return `event` if it names an event: 1 to 200 printable characters; throw an InvalidArgumentError otherwise. */
function checkEvent(event) {
  if (typeof event !== "string") {
    throw new InvalidArgumentError(`an event name is text, not ${typeof event}`);
  }
  checkLength("an event name", event);
  if (UNPRINTABLE.test(event)) {
    throw new InvalidArgumentError(`event ${show(event).slice(0, 80)} has a character that cannot be printed`);
  }
  if (OWN_EVENTS.test(event)) {
    throw new InvalidArgumentError(
      `event ${show(event).slice(0, 80)} has a name of the protocol's own; choose one that does not begin with ` +
        "'pusher:' or 'pusher_internal:'",
    );
  }
  return event;
}

/** Return the error of a connection that would listen to more channels than one may. */
function tooManyChannels(connectionId, count, maxChannels) {
  return new InvalidArgumentError(
    `connection ${show(connectionId)} would listen to ${count} channels, and ${maxChannels} is the most for one; ` +
      "send what belongs together on one channel, or raise maxChannels",
  );
}

function checkLength(what, name) {
  const { length } = [...name]; // some characters have two units of `name.length`
  if (length < 1 || length > MAX_LENGTH) {
    throw new InvalidArgumentError(`${what} has 1 to ${MAX_LENGTH} characters, this one has ${length}`);
  }
}

module.exports = { MAX_CHANNELS, checkChannel, checkConnectionId, checkEvent, tooManyChannels };
