/** CRC-32 as zip has it; Node's own, in zlib, is not in Node 20.0 to 20.14. */
"use strict";

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Return the checksum of the UTF-8 bytes of `text`, 0 to 2³²-1. */
function crc32(text) {
  let sum = -1;
  for (const byte of Buffer.from(text)) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 0xff];
  return ~sum >>> 0;
}

module.exports = { crc32 };
