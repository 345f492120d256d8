/**
 * Signatures of subscriptions, and the secret that they are made with: given as it is, or read from AWS Secrets Manager
 * by its ARN.
 *
 * What was read is kept for five minutes, so a rotation reaches every backend within that time; the Lambda goes on
 * accepting the secret before it for fifteen.
 */
"use strict";

const { createHmac } = require("node:crypto");
const { JsonService } = require("./aws/json_service.js");
const { ConfigurationError, RefusedError, show } = require("./errors.js");

const VARIABLE = "BROADCASTER_SECRET";
const KEEP = 300; // seconds
// If Secrets Manager cannot be asked meanwhile, what is kept serves on; longer than this the Lambda accepts no secret
// that was replaced.
const LONGEST_KEEP = 900; // seconds
// Characters. HMAC-SHA256 wants a key as long as its output: https://www.rfc-editor.org/rfc/rfc2104#section-3
const MIN_LENGTH = 32;

/** Return the signature with which this connection may subscribe to this channel: HMAC-SHA256 over `id:channel`. */
function subscriptionSignature(secret, connectionId, channel) {
  return createHmac("sha256", secret).update(`${connectionId}:${channel}`).digest("hex");
}

/** Reads the secret when it is first needed; `clock` is in seconds that never go back, for tests. */
class SubscriptionSecret {
  #arn;
  #credentials;
  #clock;
  #kept; // { secret, since }

  constructor(value, credentials, { environment = process.env, clock = () => performance.now() / 1000 } = {}) {
    value ??= environment[VARIABLE];
    if (value !== undefined && typeof value !== "string") {
      throw new ConfigurationError(`secret is of type ${typeof value}; give the text of the secret, or its ARN`);
    }
    this.#credentials = credentials;
    this.#clock = clock;
    if (value?.trim().startsWith("arn:")) this.#arn = checkArn(value.trim());
    else if (value?.trim()) this.#kept = { secret: checkSecret(value.trim()), since: Infinity };
  }

  /** Return the secret; by ARN with one request to Secrets Manager every five minutes. */
  async read() {
    const age = this.#kept ? this.#clock() - this.#kept.since : Infinity;
    if (age < KEEP) return this.#kept.secret;
    if (!this.#arn) {
      throw new ConfigurationError(
        `no secret to sign subscriptions with; give initBroadcaster({ secret: … }) or set ${VARIABLE}: ` +
          "the secret, or its ARN, which is an output of the stack with registry=dynamodb",
      );
    }
    try {
      this.#kept = { secret: await this.#ask(), since: this.#clock() };
    } catch (error) {
      if (!(error instanceof RefusedError) || age >= LONGEST_KEEP) throw error;
      process.emitWarning(`signing subscriptions with the secret that was read before: ${error.message}`, {
        type: "BroadcasterWarning",
        code: "BROADCASTER_SECRET",
      });
    }
    return this.#kept.secret;
  }

  async #ask() {
    const arn = this.#arn;
    const service = new JsonService("secretsmanager", {
      region: arn.split(":")[3],
      credentials: this.#credentials,
    });
    let answer;
    try {
      answer = await service.call("GetSecretValue", { SecretId: arn });
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      const hints = {
        AccessDeniedException: "; attach the stack's backend policy to the role or user that this runs as",
        ResourceNotFoundException: "; is the ARN, an output of the stack, of this account and deployment?",
      };
      const reason = error.code || `it could not be asked (${error.message})`;
      throw new RefusedError(`Secrets Manager did not give the secret ${arn}: ${reason}${hints[error.code] ?? ""}`, {
        cause: error,
      });
    } finally {
      service.close();
    }
    if (typeof answer.SecretString !== "string" || !answer.SecretString) {
      throw new RefusedError(`the secret ${arn} has no text; subscriptions are signed with one`);
    }
    return answer.SecretString;
  }
}

function checkArn(arn) {
  const parts = arn.split(":");
  if (parts.length !== 7 || parts[2] !== "secretsmanager" || !parts[3]) {
    throw new ConfigurationError(
      `secret ${show(arn)} is not the ARN of a secret; it looks like ` +
        "'arn:aws:secretsmanager:us-east-1:123456789012:secret:name-a1b2c3', an output of the stack",
    );
  }
  return arn;
}

function checkSecret(value) {
  // Nothing of the value is shown: it may be the right secret, cut short.
  const words = value.split(/[/_-]/).filter(Boolean);
  const isOfWords = words.length > 1 && words.every((word) => /^[^A-Z]*[a-z][^A-Z]*$/.test(word));
  if (/secret|^arn/i.test(value) || isOfWords) {
    throw new ConfigurationError(
      "the secret looks like a name or a part of an ARN; give the whole ARN, " +
        "'arn:aws:secretsmanager:us-east-1:123456789012:secret:name-a1b2c3', or the secret itself",
    );
  }
  const { length } = [...value];
  if (length < MIN_LENGTH) {
    throw new ConfigurationError(
      `the secret has ${length} characters and needs at least ${MIN_LENGTH}, or it can be guessed; make one with ` +
        `node -p "crypto.randomBytes(32).toString('hex')", or give its ARN in Secrets Manager`,
    );
  }
  return value;
}

module.exports = { SubscriptionSecret, subscriptionSignature };
