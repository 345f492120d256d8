// The same package for `require`.
import broadcaster = require("apigw-broadcaster");

const { initBroadcaster, broadcastAdminEvent } = broadcaster;
initBroadcaster({ apiId: "abc123xyz", region: "us-east-1" });
broadcastAdminEvent({}).then(({ sent, failed, stale, failures }) => [sent, failed, stale, failures.length]);
