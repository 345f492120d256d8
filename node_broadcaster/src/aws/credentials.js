/**
 * The credentials that requests are signed with: from the environment, or from wherever AWS's SDK finds them.
 *
 * The environment is read here because it needs no package, and because that is where they are on Lambda, in containers
 * and in CI. Everything else (profiles, SSO, roles, container and instance credentials, with their refresh) is asked of
 * `@aws-sdk/credential-providers`, where that is installed.
 */
"use strict";

const { ConfigurationError } = require("../errors.js");

const PACKAGE = "@aws-sdk/credential-providers";
const HINT =
  "attach the stack's backend policy to the role that this runs as, or set AWS_ACCESS_KEY_ID and " +
  "AWS_SECRET_ACCESS_KEY (for a local gateway, any values do)";

/** Reads the credentials anew each time it is asked, so that a refresh is honoured. */
class CredentialSource {
  #environment;
  #provider; // of AWS's SDK, which keeps what it found until it expires

  constructor(environment = process.env) {
    this.#environment = environment;
  }

  /**
   * Return `{ accessKey, secretKey, token }` to sign with now; reject with a ConfigurationError if there are none.
   *
   * With `anew` everything is looked up again, for keys in a file that was rewritten since.
   */
  async read({ anew = false } = {}) {
    return this.#fromEnvironment() ?? this.#fromSdk(anew);
  }

  #fromEnvironment() {
    // Whatever AWS_PROFILE says: it is set for other programs, as a rule, and boto3 goes by the keys as well.
    const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = this.#environment;
    if (!accessKey) return undefined;
    if (!secretKey) {
      throw new ConfigurationError("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not; set both or neither");
    }
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]) {
      check(this.#environment[name], name);
    }
    return { accessKey, secretKey, token: this.#environment.AWS_SESSION_TOKEN || undefined };
  }

  async #fromSdk(anew) {
    if (anew || !this.#provider) this.#provider = loadSdk().fromNodeProviderChain();
    try {
      const { accessKeyId, secretAccessKey, sessionToken } = await this.#provider();
      return { accessKey: accessKeyId, secretKey: secretAccessKey, token: sessionToken };
    } catch (cause) {
      throw new ConfigurationError(`no AWS credentials found (${cause.message}); ${HINT}, or AWS_PROFILE`, { cause });
    }
  }
}

/** Refuse what would end a header early or could not be part of one; nothing of the value is shown. */
function check(value, name) {
  if (/[^!-~]/.test(value ?? "")) {
    const what = /[\r\n]/.test(value) ? "a line break" : "a space, or a character beyond ASCII,";
    throw new ConfigurationError(
      `the variable ${name} has ${what} in it, which no AWS key has; is it from a file or a Kubernetes secret made with ` +
        "`echo`? Set it anew without (`echo -n`)",
    );
  }
}

function loadSdk() {
  try {
    return require(PACKAGE);
  } catch (cause) {
    throw new ConfigurationError(
      `no AWS credentials in the environment, and ${PACKAGE} is not installed to look further; ${HINT}, ` +
        `or npm install ${PACKAGE}`,
      { cause },
    );
  }
}

module.exports = { CredentialSource };
