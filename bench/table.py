"""A stand-in for DynamoDB's table of a history: conditional puts and queries, each after some milliseconds.

    python -m bench.table [milliseconds]

Prints its port. `GET /` tells how many requests it has served.
"""

import asyncio
import json
import sys
from typing import Any

_rows: dict[str, dict[str, dict[str, Any]]] = {}
_served = 0


def answer(operation: str, members: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the status and the answer to a PutItem or a Query."""
    if operation == "PutItem":
        item = members["Item"]
        rows = _rows.setdefault(item["pk"]["S"], {})
        taken = rows.setdefault(item["sk"]["S"], item)
        return (200, {}) if taken is item else (400, {"__type": "x#ConditionalCheckFailedException", "Item": taken})
    values = members["ExpressionAttributeValues"]
    found = _rows.get(values[":pk"]["S"], {})
    first = values.get(":first", {"S": ""})["S"]
    names = sorted((name for name in found if name >= first), reverse=not members.get("ScanIndexForward", True))
    if last := members.get("ExclusiveStartKey"):
        names = names[names.index(last["sk"]["S"]) + 1 :]
    page = [found[name] for name in names[: members["Limit"]]]
    more = {"LastEvaluatedKey": {key: page[-1][key] for key in ("pk", "sk")}} if len(page) == members["Limit"] else {}
    wanted = set(members["ExpressionAttributeNames"].values())
    return 200, {"Items": [{key: row[key] for key in row.keys() & wanted} for row in page], **more}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Answer the requests of one connection."""
    global _served
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if head.startswith("get"):
                status, sent = 200, json.dumps(_served).encode()
            else:
                length = int(head.partition("content-length:")[2].partition("\r\n")[0])
                body = await reader.readexactly(length)
                target = head.partition("x-amz-target:")[2].partition("\r\n")[0]
                _served += 1
                await asyncio.sleep(delay / 2)
                status, members = answer("PutItem" if target.endswith("putitem") else "Query", json.loads(body))
                await asyncio.sleep(delay / 2)
                sent = json.dumps(members).encode()
            writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%b" % (status, len(sent), sent))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until the process is ended."""
    delay = float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.005
    server = await asyncio.start_server(lambda r, w: serve(r, w, delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
