"""Print what a publish to five viewers costs a warm publisher in CPU time, without and with a history of the channel.

    python tests/lambda_src/publish_cost.py [path of a python, e.g. of 3.12]

The bundle is laid out as it is deployed; DynamoDB, Secrets Manager and `@connections` are servers on loopback, over
plain HTTP. TLS on kept connections adds about 0.03 ms for each request.
"""

import http.server
import json
import runpy
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).parent
VIEWERS = 5
MEASURE = """
import hashlib, hmac, json, os, statistics, sys, time
sys.path.insert(0, sys.argv[1])
import publisher
sys.stdout.write = lambda text: None
def event_of(number):
    body = json.dumps({"name": "step", "channel": "run-1", "data": json.dumps({"n": number})})
    query = {"auth_key": "key", "auth_timestamp": str(int(time.time())), "auth_version": "1.0",
             "body_md5": hashlib.md5(body.encode()).hexdigest()}
    text = "POST\\n/apps/1/events\\n" + "&".join(f"{name}={query[name]}" for name in sorted(query))
    query["auth_signature"] = hmac.new(b"secret", text.encode(), "sha256").hexdigest()
    return {"rawPath": "/apps/1/events", "rawQueryString": "&".join(f"{k}={v}" for k, v in query.items()),
            "requestContext": {"http": {"method": "POST"}, "requestId": str(number)}, "body": body}
costs = []
for number in range(220):
    event = event_of(number)
    start = time.process_time_ns()
    answer = publisher.handler(event, None)
    costs.append((time.process_time_ns() - start) / 1e6)
    assert answer["statusCode"] == 200, answer
then = statistics.median(costs[20:])
print(f"{sys.argv[2]}: first {costs[0]:.1f} ms, then median {then:.2f} ms of CPU", file=sys.stderr)
assert "boto3" not in sys.modules
"""


class Services(http.server.BaseHTTPRequestHandler):
    """Answers as the three services do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        members = self.rfile.read(int(self.headers["Content-Length"]))
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        answer: dict[str, object] = {}
        if target == "Query":
            is_channel = "#channel#run-1" in json.loads(members)["ExpressionAttributeValues"][":pk"]["S"]
            ids = [f"L0SM9cOFvHcCIh{number:x}=" for number in range(VIEWERS if is_channel else 0)]
            answer = {"Items": [{"sk": {"S": each}} for each in ids]}
        elif target == "GetSecretValue":
            key = {"app_id": "1", "key": "key", "secret": "secret"}
            answer = {"SecretString": json.dumps(key), "CreatedDate": 1.0}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    """Measure in a process of its own, so that the servers' time does not count."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Services)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    environment = {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_SESSION_TOKEN": "example",
        "REGISTRY_TABLE": "connections",
        "WEBSOCKET_API_ID": "abc123xyz",
        "WEBSOCKET_STAGE": "production",
        "PUBLISH_KEY": "arn:of-the-key",
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": f"{url}/production",
    }
    with tempfile.TemporaryDirectory() as temporary:
        bundle = runpy.run_path(str(HERE / "import_cost.py"))["lay_out_bundle"](Path(temporary))
        history = {"HISTORY": '{"run-*": 1000}', "HISTORY_TTL": "3600"}
        for title, more in (("without history", {}), ("with history", history)):
            subprocess.run(
                [python, "-I", "-B", "-c", MEASURE, str(bundle), title], env={**environment, **more}, check=True
            )


if __name__ == "__main__":
    main()
