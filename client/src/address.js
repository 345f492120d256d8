import { demand, isText } from "./options.js";

/** The WebSocket URL that a key means. Throws for a key that means none, and shows no more of it than its beginning. */
export function address(key, region, stage = "production") {
  key = key?.trim?.() ?? key; // a line break at its end, as a file or a form may bring
  if (isText(key) && /^wss?:\/\/[^/\s#][^\s#]*$/.test(key)) {
    demand(!/\.execute-api\.[^/]+\/?$/.test(key), "the key names no stage", `'/${stage}'`);
    return key;
  }
  const isId = isText(key) && /^[a-z\d]{8,12}$/.test(key);
  demand(isId, `the key begins with '${`${key}`.slice(0, 9)}'`, "a wss:// URL, or an API id and its cluster");
  const area = /^((us|eu|ap|sa|ca|me|af|il|mx|cn|eusc)(-iso.?)?)-[a-z-]+-\d$/.exec(region)?.[1];
  demand(area, `the cluster is '${region}'`, "a wss:// URL, or an AWS region");
  return `wss://${key}.execute-api.${region}.${DOMAINS[area] ?? "amazonaws.com"}/${stage}`;
}

// Where it is another, by what a region begins with. A test compares them with broadcaster/aws/partitions.py.
const DOMAINS = {
  cn: "amazonaws.com.cn",
  eusc: "amazonaws.eu",
  "us-iso": "c2s.ic.gov",
  "us-isob": "sc2s.sgov.gov",
  "us-isof": "csp.hci.ic.gov",
  "eu-isoe": "cloud.adc-e.uk",
};
