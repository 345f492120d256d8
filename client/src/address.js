/** The WebSocket URL that a key means. Throws for a key that means none, and shows no more of it than its beginning. */
export function address(key, region, stage = "production") {
  key = key?.trim?.() ?? key; // a line break at its end, as a file or a form may bring
  if (typeof key !== "string" || !key) throw new Error(`the key is ${key === "" ? "empty" : key}; ${WANTED}`);
  if (/^wss?:\/\/[^/\s#]+[^\s#]*$/.test(key)) {
    if (/\.execute-api\.[^/]+\/?$/.test(key)) throw new Error(`the key names no stage; append it, e.g. '/${stage}'`);
    return key;
  }
  if (!/^[a-z0-9]{8,12}$/.test(key)) throw new Error(`the key is '${key.slice(0, 8)}…'; ${WANTED}`);
  if (!/^[a-z]{2,4}(-[a-z]+)+-\d$/.test(region)) {
    throw new Error(`cluster '${region}' is not an AWS region; give the API's, e.g. 'eu-central-1'`);
  }
  const [, domain] = DOMAINS.find(([beginning]) => beginning.test(region)) ?? [];
  if (!domain) throw new Error(`the domain of cluster '${region}' is not known; give the wss:// URL as key`);
  return `wss://${key}.execute-api.${region}.${domain}/${stage}`;
}

// By what a region begins with. A test compares them with broadcaster/aws/partitions.py.
const DOMAINS = [
  [/^us-iso-/, "c2s.ic.gov"],
  [/^us-isob-/, "sc2s.sgov.gov"],
  [/^us-isof-/, "csp.hci.ic.gov"],
  [/^eu-isoe-/, "cloud.adc-e.uk"],
  [/^eusc-/, "amazonaws.eu"],
  [/^cn-/, "amazonaws.com.cn"],
  [/^(us|eu|ap|sa|ca|me|af|il|mx)-/, "amazonaws.com"],
];

const WANTED = "give a wss:// URL, or an API id such as 'a1b2c3d4e5' with { cluster: region }";
