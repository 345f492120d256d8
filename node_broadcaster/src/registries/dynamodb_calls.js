/** Requests about one DynamoDB table, and what their errors mean to a user. */
"use strict";

const { CredentialSource } = require("../aws/credentials.js");
const { JsonService } = require("../aws/json_service.js");
const { ConfigurationError, RegistryError } = require("../errors.js");
const { PAGE_SIZE } = require("./lifetime.js");

const ACCESS = [
  "AccessDeniedException",
  "ExpiredTokenException",
  "InvalidSignatureException",
  "UnrecognizedClientException",
];
const CONCURRENCY = 16; // requests at once

/** Calls one table; `name` is that of the registry, for errors. All reject with a RegistryError. */
class DynamoDBCalls {
  #table;
  #name;
  #service;

  constructor(table, name, { region, endpointUrl }) {
    this.#table = table;
    this.#name = name;
    this.#service = new JsonService("dynamodb", { region, endpointUrl, credentials: new CredentialSource() });
  }

  /** Yield the rows of a query in lists of at most 1,000, which may be empty; one request for each. */
  async *query(what, members) {
    let query = { ...members, TableName: this.#table, Limit: PAGE_SIZE };
    for (;;) {
      const { Items, LastEvaluatedKey } = await this.#call(what, "Query", query);
      yield Items;
      if (!LastEvaluatedKey) return;
      query = { ...query, ExclusiveStartKey: LastEvaluatedKey };
    }
  }

  /** Write at most 25 rows with one request, and what of them was not processed with further ones. */
  async write(what, writes) {
    let left = writes;
    const members = () => ({ RequestItems: { [this.#table]: left } });
    await this.#call(what, "BatchWriteItem", members, (answer) => {
      left = answer.UnprocessedItems?.[this.#table] ?? [];
      return !left.length;
    });
  }

  /** Close the connections; the next use opens them again. */
  close() {
    this.#service.close();
  }

  async #call(what, operation, members, isDone) {
    try {
      return await this.#service.call(operation, members, isDone);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      let hint = "";
      if (error.code === "ResourceNotFoundException") {
        hint = ". Is the table's name right, and the region? The stack makes the table with -c registry=dynamodb";
      } else if (ACCESS.includes(error.code)) {
        hint = ". It takes credentials that may dynamodb:Query and dynamodb:BatchWriteItem this table";
      }
      throw new RegistryError(`${this.#name} could not ${what}: ${error.message}${hint}`, { cause: error });
    }
  }
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

module.exports = { DynamoDBCalls, atOnce };
