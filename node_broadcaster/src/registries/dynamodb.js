/**
 * The registry of a backend of several machines that runs no server, and the one that the Lambda can share.
 *
 * Needs the table that the stack makes, and `dynamodb:Query` and `dynamodb:BatchWriteItem` on it; no package. How the
 * entries lie in it is told in `dynamodb_rows`. Every read is strongly consistent: a connection whose subscribe was
 * answered is found by the next Query.
 */
"use strict";

const { CredentialSource } = require("../aws/credentials.js");
const { regionInEnvironment } = require("../aws/environment.js");
const { JsonService } = require("../aws/json_service.js");
const { ConfigurationError, RegistryError, show } = require("../errors.js");
const { EVERYTHING, MAX_BATCH, Rows, SHARDS, channelOf, connectionOf } = require("./dynamodb_rows.js");
const { MAX_CHANNELS, tooManyChannels } = require("../names.js");
const { ENTRY_LIFETIME, PAGE_SIZE } = require("./lifetime.js");
const { eachOnce } = require("./merged.js");
const { OldRows } = require("./old_rows.js");
const { nextPlace, pagesFrom } = require("./rotation.js");

const OPTIONS = ["region", "endpoint_url", "scope"];
// Of ids, in the order of their bytes, which DynamoDB sorts by.
const ID_CHARACTERS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const CONCURRENCY = 16; // requests at once where many connections are removed
const HINTS = {
  ResourceNotFoundException:
    ". Is the table's name right, and the region? The stack makes the table with -c registry=dynamodb",
};
for (const code of [
  "AccessDeniedException",
  "ExpiredTokenException",
  "InvalidSignatureException",
  "UnrecognizedClientException",
]) {
  HINTS[code] = ". It takes credentials that may dynamodb:Query and dynamodb:BatchWriteItem this table";
}

/**
 * Keeps connections in a DynamoDB table, where every process with access to it sees them.
 *
 * While DynamoDB throttles or cannot be reached, each call is repeated for about five seconds; nothing has to be
 * restarted afterwards. The clocks of the machines that share a table should agree within a minute. `clock` is in seconds
 * since the epoch, for tests.
 */
class DynamoDBRegistry {
  #table;
  #name;
  #rows;
  #unscopedRows = null; // from before deployments were kept apart; null if there is no scope
  #oldRows;
  #maxChannels;
  #service;
  #clock;

  /** Make one from what follows `dynamodb://` in a URL. */
  static fromUrl(rest, defaults = {}) {
    if (rest.includes("@")) {
      // What stands before it may be a password.
      throw new ConfigurationError(
        "the registry's DynamoDB URL has an '@', and takes neither user nor password: credentials are found as " +
          "everywhere; give 'dynamodb://table-name?region=us-east-1'",
      );
    }
    // Not the class URL, which would write the name in small letters.
    const [table, query = ""] = rest.split(/\?(.*)/s);
    const options = Object.fromEntries(new URLSearchParams(query));
    const unknown = Object.keys(options).sort().find((name) => !OPTIONS.includes(name));
    if (unknown !== undefined) {
      throw new ConfigurationError(
        `the registry's DynamoDB URL has an option ${show(unknown, 40)}; known are ${OPTIONS.join(", ")}`,
      );
    }
    const { region, endpoint_url: endpointUrl, scope = defaults.scope } = options;
    return new DynamoDBRegistry(table.replace(/\/+$/, ""), { ...defaults, region, endpointUrl, scope });
  }

  constructor(
    table,
    { region, endpointUrl, scope, maxChannels = MAX_CHANNELS, clock = () => Date.now() / 1000 } = {},
  ) {
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    if (typeof table !== "string" || !/^[A-Za-z0-9_.-]{3,255}$/.test(table)) {
      throw new ConfigurationError(
        `${show(table, 80)} is no name of a DynamoDB table; they have 3 to 255 of A-Z a-z 0-9 _ - . ` +
          "and this one's is an output of the stack",
      );
    }
    region ||= regionInEnvironment();
    this.#table = table;
    this.#name = `DynamoDBRegistry('${table}'${region ? `, region: '${region}'` : ""})`;
    if (!region) {
      throw new ConfigurationError(
        `no region for ${this.#name}; give 'dynamodb://${table}?region=us-east-1' or set AWS_REGION`,
      );
    }
    this.#rows = new Rows(scope);
    if (scope) this.#unscopedRows = new Rows();
    this.#oldRows = new OldRows(clock());
    this.#maxChannels = maxChannels;
    this.#service = new JsonService("dynamodb", {
      region,
      endpointUrl,
      credentials: new CredentialSource(),
    });
    this.#clock = clock;
  }

  /**
   * Record that a connection listens to `channels`, or to everything when there is none; an empty list is no change.
   *
   * One request for each 12 channels, and one before to count those that it has. Each entry has a lifetime of its own, from its latest registration.
   */
  async add(connectionId, channels, { lifetime = ENTRY_LIFETIME } = {}) {
    const names = channels ? [...new Set(channels)] : [EVERYTHING];
    if (channels?.length) await this.#checkCount(connectionId, names);
    for (const batch of batches(this.#rows.puts(connectionId, names, this.#clock(), lifetime))) {
      await this.#writeBatch(`register connection '${connectionId}'`, batch);
    }
  }

  /** Refuse more channels than a connection may have, which takes a look at those that it has. */
  async #checkCount(connectionId, names) {
    const known = await this.#channels(this.#rows, connectionId);
    const { size } = new Set([...known, ...names].filter((name) => name !== EVERYTHING));
    if (size > this.#maxChannels) throw tooManyChannels(connectionId, size, this.#maxChannels);
  }

  /** Forget these connections with all their channels; unknown ones are passed over. */
  async remove(connectionIds) {
    const ids = [...new Set(connectionIds)];
    await this.#remove(this.#rows, ids);
    if (this.#unscopedRows && this.#oldRows.mayExist(this.#clock())) await this.#remove(this.#unscopedRows, ids);
  }

  async #remove(layout, ids) {
    const what = `remove ${ids.length} connections`;
    const byChannel = [];
    const byConnection = [];
    const channels = await atOnce(ids, (connectionId) => this.#channels(layout, connectionId));
    ids.forEach((connectionId, at) => {
      const [first, then] = layout.deletes(connectionId, channels[at]);
      byChannel.push(...first);
      byConnection.push(...then);
    });
    if (byChannel.length + byConnection.length <= MAX_BATCH) {
      await this.#write(what, [...byChannel, ...byConnection]);
    } else {
      await this.#write(what, byChannel);
      await this.#write(what, byConnection);
    }
  }

  /** Yield who listens to `channel` or to everything, each once, in lists of at most 1,000. */
  pages(channel) {
    const lists = (bounds) =>
      [channel, EVERYTHING].flatMap((name) => [
        this.#listeners(this.#rows, name, bounds),
        this.#unscopedListeners(name, bounds),
      ]);
    return pagesFrom(nextPlace(), { read: (after, until) => eachOnce(lists({ after, until })), find: idAt });
  }

  /** Return the number of connections that have not expired; reads every row by connection. */
  async count() {
    const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
    const counts = await atOnce(shards, async (shard) => {
      const ids = new Set();
      const query = this.#rows.shardQuery(shard, this.#clock());
      for await (const rows of this.#query("count the connections", query)) {
        for (const row of rows) ids.add(connectionOf(row));
      }
      return ids.size;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Close the connections to DynamoDB; the next use opens them again. */
  async close() {
    this.#service.close();
  }

  async *#unscopedListeners(channel, bounds) {
    const now = this.#clock();
    if (!this.#unscopedRows || !this.#oldRows.isToBeRead(channel, now)) return;
    let isEmpty = !bounds.after && !bounds.until;
    for await (const page of this.#listeners(this.#unscopedRows, channel, bounds)) {
      isEmpty &&= !page.length;
      yield page;
    }
    if (isEmpty) this.#oldRows.foundEmpty(channel, now);
  }

  async *#listeners(layout, channel, bounds) {
    const query = layout.listenersQuery(channel, this.#clock(), bounds);
    for await (const rows of this.#query("list the connections", query)) yield rows.map((row) => row.sk.S);
  }

  async #channels(layout, connectionId) {
    const channels = [];
    const query = layout.channelsQuery(connectionId);
    for await (const rows of this.#query(`look up connection '${connectionId}'`, query)) {
      channels.push(...rows.map(channelOf));
    }
    return channels;
  }

  /** Yield the rows of a query in lists of at most 1,000, which may be empty; one request for each. */
  async *#query(what, members) {
    let query = { ...members, TableName: this.#table, Limit: PAGE_SIZE };
    for (;;) {
      const { Items, LastEvaluatedKey } = await this.#call(what, "Query", query);
      yield Items;
      if (!LastEvaluatedKey) return;
      query = { ...query, ExclusiveStartKey: LastEvaluatedKey };
    }
  }

  async #write(what, writes) {
    await atOnce(batches(writes), (batch) => this.#writeBatch(what, batch));
  }

  /** Write at most 25 rows with one request, and what of them was not processed with further ones. */
  async #writeBatch(what, writes) {
    let left = writes;
    const members = () => ({ RequestItems: { [this.#table]: left } });
    await this.#call(what, "BatchWriteItem", members, (answer) => {
      left = answer.UnprocessedItems?.[this.#table] ?? [];
      return !left.length;
    });
  }

  async #call(what, operation, members, isDone) {
    try {
      return await this.#service.call(operation, members, isDone);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      const hint = HINTS[error.code] ?? "";
      throw new RegistryError(`${this.#name} could not ${what}: ${error.message}${hint}`, { cause: error });
    }
  }
}

/** Return about which id is at a share of a list of ids that were made at random. */
async function idAt(share) {
  const number = Math.floor(share * ID_CHARACTERS.length ** 2);
  return ID_CHARACTERS[Math.floor(number / ID_CHARACTERS.length)] + ID_CHARACTERS[number % ID_CHARACTERS.length];
}

function batches(writes) {
  const count = Math.ceil(writes.length / MAX_BATCH);
  return Array.from({ length: count }, (_, at) => writes.slice(at * MAX_BATCH, (at + 1) * MAX_BATCH));
}

/** Return the results in order, with some under way at once; if one fails no further ones are begun. */
async function atOnce(given, work) {
  const results = [];
  let next = 0;
  let hasFailed = false;
  const worker = async () => {
    while (next < given.length && !hasFailed) {
      const at = next;
      next += 1;
      try {
        results[at] = await work(given[at]);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(CONCURRENCY, given.length) }, worker));
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
  return results;
}

module.exports = { DynamoDBRegistry };
