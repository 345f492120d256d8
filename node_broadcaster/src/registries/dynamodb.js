/**
 * The registry of a backend of several machines that runs no server, and the one that the Lambda can share.
 *
 * Needs the table that the stack makes, and `dynamodb:Query` and `dynamodb:BatchWriteItem` on it; no package. How the
 * entries lie in it is told in `dynamodb_rows`. Every read is strongly consistent: a connection whose subscribe was
 * answered is found by the next Query.
 */
"use strict";

const { regionInEnvironment } = require("../aws/environment.js");
const { ConfigurationError, show } = require("../errors.js");
const { DynamoDBCalls, atOnce } = require("./dynamodb_calls.js");
const { EVERYTHING, MAX_BATCH, Rows, SHARDS, channelOf, connectionOf } = require("./dynamodb_rows.js");
const { MAX_CHANNELS, tooManyChannels } = require("../names.js");
const { ENTRY_LIFETIME, PAGE_SIZE } = require("./lifetime.js");
const { eachOnce } = require("./merged.js");
const { OldRows } = require("./old_rows.js");
const { nextPlace, pagesFrom } = require("./rotation.js");

const OPTIONS = ["region", "endpoint_url", "scope"];
// Of ids, in the order of their bytes, which DynamoDB sorts by.
const ID_CHARACTERS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/**
 * Keeps connections in a DynamoDB table, where every process with access to it sees them.
 *
 * While DynamoDB throttles or cannot be reached, each call is repeated for about five seconds; nothing has to be
 * restarted afterwards. The clocks of the machines that share a table should agree within a minute. `clock` is in
 * seconds since the epoch, for tests.
 */
class DynamoDBRegistry {
  #rows;
  #unscopedRows = null; // from before deployments were kept apart; null if there is no scope
  #oldRows;
  #maxChannels;
  #calls;
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
    const unknown = Object.keys(options)
      .sort()
      .find((name) => !OPTIONS.includes(name));
    if (unknown !== undefined) {
      throw new ConfigurationError(
        `the registry's DynamoDB URL has an option ${show(unknown, 40)}; known are ${OPTIONS.join(", ")}`,
      );
    }
    const { region, endpoint_url: endpointUrl, scope = defaults.scope } = options;
    return new DynamoDBRegistry(table.replace(/\/+$/, ""), { ...defaults, region, endpointUrl, scope });
  }

  constructor(table, { region, endpointUrl, scope, maxChannels = MAX_CHANNELS, clock = () => Date.now() / 1000 } = {}) {
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    if (typeof table !== "string" || !/^[A-Za-z0-9_.-]{3,255}$/.test(table)) {
      throw new ConfigurationError(
        `${show(table, 80)} is no name of a DynamoDB table; they have 3 to 255 of A-Z a-z 0-9 _ - . ` +
          "and this one's is an output of the stack",
      );
    }
    region ||= regionInEnvironment();
    const name = `DynamoDBRegistry('${table}'${region ? `, region: '${region}'` : ""})`;
    if (!region) {
      throw new ConfigurationError(
        `no region for ${name}; give 'dynamodb://${table}?region=us-east-1' or set AWS_REGION`,
      );
    }
    this.#rows = new Rows(scope);
    if (scope) this.#unscopedRows = new Rows();
    this.#oldRows = new OldRows(clock());
    this.#maxChannels = maxChannels;
    this.#calls = new DynamoDBCalls(table, name, { region, endpointUrl });
    this.#clock = clock;
  }

  /**
   * Record that a connection listens to `channels`, or to everything when there is none; an empty list is no change.
   *
   * One request for each 12 channels, and one before to count those that it has. Each entry has a lifetime of its own,
   * from its latest registration.
   */
  async add(connectionId, channels, { lifetime = ENTRY_LIFETIME } = {}) {
    const names = channels ? [...new Set(channels)] : [EVERYTHING];
    if (channels?.length) await this.#checkCount(connectionId, names);
    for (const batch of batches(this.#rows.puts(connectionId, names, this.#clock(), lifetime))) {
      await this.#calls.write(`register connection '${connectionId}'`, batch);
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
      for await (const rows of this.#calls.query("count the connections", query)) {
        for (const row of rows) ids.add(connectionOf(row));
      }
      return ids.size;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Close the connections to DynamoDB; the next use opens them again. */
  async close() {
    this.#calls.close();
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
    for await (const rows of this.#calls.query("list the connections", query)) yield rows.map((row) => row.sk.S);
  }

  async #channels(layout, connectionId) {
    const channels = [];
    const query = layout.channelsQuery(connectionId);
    for await (const rows of this.#calls.query(`look up connection '${connectionId}'`, query)) {
      channels.push(...rows.map(channelOf));
    }
    return channels;
  }

  async #write(what, writes) {
    await atOnce(batches(writes), (batch) => this.#calls.write(what, batch));
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

module.exports = { DynamoDBRegistry };
