/**
 * The rows of the DynamoDB table and the members of the requests about them, without I/O.
 *
 * Every registration of one connection for one channel is two rows, `expires` in whole seconds since the epoch:
 *
 * | row | `pk` | `sk` |
 * |---|---|---|
 * | by channel | `<scope>#channel#<channel>`, or `<scope>#channel#*` for everything | `<connection id>` |
 * | by connection | `<scope>#connections#<shard>` | `<connection id>#<channel>`, or `<connection id>#*` |
 *
 * The layout is the Python library's, told in `broadcaster/registries/dynamodb.py`: it, the Lambda and this share one
 * list.
 */
"use strict";

const { crc32 } = require("./crc32.js");
const { encodeScope } = require("./scope.js");

const EVERYTHING = "*"; // among channel names; no channel can have this name
const SHARDS = 16; // partition keys that the rows by connection are spread over

// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const MAX_BATCH = 25; // rows written by one BatchWriteItem

/** The rows of one scope; without one, those that were written before there were scopes. */
class Rows {
  #start;

  constructor(scope) {
    this.#start = scope === undefined ? "" : `${encodeScope(scope)}#`;
  }

  /**
   * Return the writes that register a connection, two for each channel.
   *
   * Those that tell how to remove it come first: what is cut off behind them can still be removed.
   */
  puts(connectionId, channels, now, lifetime) {
    const expires = { N: String(Math.ceil(now + lifetime)) };
    const rows = [...this.#byConnection(connectionId, channels), ...this.#byChannel(connectionId, channels)];
    return rows.map((row) => ({ PutRequest: { Item: { ...row, expires } } }));
  }

  /**
   * Return the writes that take a connection off channels: `[by channel, by connection]`.
   *
   * The second are what a later attempt finds the first by, so they go last where they do not fit into one request.
   */
  deletes(connectionId, channels) {
    const rows = [this.#byChannel(connectionId, channels), this.#byConnection(connectionId, channels)];
    return rows.map((each) => each.map((Key) => ({ DeleteRequest: { Key } })));
  }

  /**
   * Return the members of a Query for who listens to `channel` (or to `EVERYTHING`), by the order of their ids: those
   * after one id up to another, that one included; an empty one is no bound.
   */
  listenersQuery(channel, now, { after = "", until = "" } = {}) {
    const query = queryOf(`${this.#start}channel#${channel}`, now);
    const values = query.ExpressionAttributeValues;
    if (until) {
      query.KeyConditionExpression = "pk = :pk AND sk <= :until";
      values[":until"] = { S: until };
    }
    if (after) query.ExclusiveStartKey = { pk: values[":pk"], sk: { S: after } };
    return query;
  }

  /** Return the members of a Query for the connections of one shard: a row for each channel, by the order of ids. */
  shardQuery(shard, now) {
    return queryOf(`${this.#start}connections#${shard.toString(16)}`, now);
  }

  /** Return the members of a Query for what a connection listens to, expired or not. */
  channelsQuery(connectionId) {
    return {
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :start)",
      ProjectionExpression: "sk",
      ExpressionAttributeValues: { ":pk": { S: this.#shardKey(connectionId) }, ":start": { S: `${connectionId}#` } },
      ConsistentRead: true,
    };
  }

  #byConnection(connectionId, channels) {
    const pk = { S: this.#shardKey(connectionId) };
    return channels.map((channel) => ({ pk, sk: { S: `${connectionId}#${channel}` } }));
  }

  #byChannel(connectionId, channels) {
    return channels.map((channel) => ({ pk: { S: `${this.#start}channel#${channel}` }, sk: { S: connectionId } }));
  }

  #shardKey(connectionId) {
    return `${this.#start}connections#${(crc32(connectionId) % SHARDS).toString(16)}`;
  }
}

function queryOf(pk, now) {
  return {
    KeyConditionExpression: "pk = :pk",
    FilterExpression: "expires > :now",
    ProjectionExpression: "sk",
    ExpressionAttributeValues: { ":pk": { S: pk }, ":now": { N: String(Math.trunc(now)) } },
    ConsistentRead: true,
  };
}

/** Return the connection id of a row of either kind. */
function connectionOf(row) {
  return row.sk.S.split("#")[0];
}

/** Return the channel, or `EVERYTHING`, of a row by connection. */
function channelOf(row) {
  return row.sk.S.slice(row.sk.S.indexOf("#") + 1);
}

module.exports = { EVERYTHING, MAX_BATCH, Rows, SHARDS, channelOf, connectionOf };
