/** How long an entry lives, and how many ids make a page. */
"use strict";

// No connection lives longer than two hours, so an entry of a little more can only be a leftover.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const ENTRY_LIFETIME = 2 * 3600 + 300; // seconds

const PAGE_SIZE = 1000; // connection ids

module.exports = { ENTRY_LIFETIME, PAGE_SIZE };
