#!/usr/bin/env python3
"""Pulls messages from a NATS JetStream stream into files. Needs the package nats-py.

    [[pull]]
    name = "clicks"
    feed = "clicks"
    command = ["deploy/pulls/stream.py", "nats://localhost:4222", "CLICKS"]
    every = "1m"
    timeout = "50s"

With tls://… the server must have a certificate of its name, signed by an authority that this machine
trusts, or by one of the file that SSL_CERT_FILE names (`env = ["SSL_CERT_FILE"]`).

Messages are lines of JSON. A file is closed when it has MESSAGES_MAX of them or BYTES_MAX, and the run
ends when SECONDS_MAX have passed or nothing more is there. Files are named by the sequences they hold.

The watermark is the last sequence that was written. Nothing is acknowledged to the stream: landfall keeps
the watermark in one transaction with the last file, so that each message comes in exactly once, for as
long as the stream keeps what was not fetched.
"""
import asyncio
import os
import sys
import time

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

MESSAGES_MAX = int(os.environ.get("MESSAGES_MAX", "100000"))
BYTES_MAX = int(os.environ.get("BYTES_MAX", str(64 << 20)))
SECONDS_MAX = float(os.environ.get("SECONDS_MAX", "40"))
AT_ONCE = 1000


class Files:
    """Files in the folder that landfall takes from, one open at a time."""

    def __init__(self):
        self.folder, self.file, self.last = os.environ["LANDFALL_FOLDER"], None, None

    def add(self, sequence, line):
        if self.file is None:
            self.first, self.messages, self.bytes = sequence, 0, 0
            self.path = os.path.join(self.folder, ".open")
            self.file = open(self.path, "wb")
        self.file.write(line + b"\n")
        self.messages, self.bytes, self.last = self.messages + 1, self.bytes + len(line) + 1, sequence
        if self.messages >= MESSAGES_MAX or self.bytes >= BYTES_MAX:
            self.close()

    def close(self):
        if self.file is not None:
            self.file.close()
            self.file = None
            name = f"{os.environ['LANDFALL_PULL']}_{self.first:012}-{self.last:012}.jsonl"
            os.rename(self.path, os.path.join(self.folder, name))


async def main(server, stream):
    since, files = int(os.environ["LANDFALL_WATERMARK"] or 0), Files()
    ends = time.monotonic() + SECONDS_MAX
    client = await nats.connect(server, allow_reconnect=False)
    wanted = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=since + 1,
        ack_policy=AckPolicy.NONE,
    )
    consumer = await client.jetstream().pull_subscribe("", stream=stream, config=wanted)
    while (left := ends - time.monotonic()) > 0:
        try:
            messages = await consumer.fetch(AT_ONCE, timeout=min(left, 1))
        except nats.errors.TimeoutError:
            break
        for message in messages:
            files.add(message.metadata.sequence.stream, message.data)
    files.close()
    await client.close()
    if files.last is not None:
        with open(os.environ["LANDFALL_WATERMARK_FILE"], "w") as file:
            file.write(str(files.last))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
