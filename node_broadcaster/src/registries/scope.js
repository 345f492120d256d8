/** How a deployment's name stands in keys, so that deployments that share a store share no list. */
"use strict";

const { ConfigurationError, show } = require("../errors.js");

/** Return the scope as it stands in keys: but for `A-Z a-z 0-9 _ . : / -`, the bytes of its UTF-8 as `%20`. */
function encodeScope(scope) {
  if (!scope || [...scope].length > 400 || /(?! )[\p{C}\p{Z}]/u.test(scope)) {
    throw new ConfigurationError(
      `scope ${show(scope).slice(0, 120)} cannot tell deployments apart; give 1 to 400 characters, e.g. 'abc123xyz/production'`,
    );
  }
  const ofByte = (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return scope.replace(/[^A-Za-z0-9_.:/-]/gu, (character) => [...Buffer.from(character)].map(ofByte).join(""));
}

module.exports = { encodeScope };
