"use strict";

const errors = require("./src/errors.js");
const { Broadcaster } = require("./src/broadcaster.js");
const functions = require("./src/default.js");
const { MemoryRegistry } = require("./src/registries/memory.js");

const { show, ...classes } = errors;

module.exports = { ...functions, Broadcaster, MemoryRegistry, ...classes };
