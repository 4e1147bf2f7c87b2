#!/usr/bin/env python3
"""Pulls what is new from a paged REST API, as JSON lines. Python 3 alone, no packages.

    [[pull]]
    name = "invoices"
    feed = "invoices"
    command = ["deploy/pulls/rest.py", "https://api.example.org"]
    every = "15m"
    file = "invoices_{time}.jsonl"
    env = ["API_ID", "API_SECRET"]

The API: `POST /token` with a client's id and secret answers {"access_token": ...}; `GET
/items?since=W&page=N` answers {"items": [...], "next": N or null}, each item with "updated_at".
Change `pages` and `login` for another one.

The watermark is the newest "updated_at" that was seen. Nothing is printed before the last page was
read, and a failure exits with 1: then landfall takes nothing and runs this again from the same
watermark. The API is asked with `since`, which includes the watermark itself, so that items which
share it are not lost; those that were printed already are named in the watermark and left out.
"""
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

TRIES_MAX = 6
WAIT_MAX_S = 60


def ask(request, token=None):
    """The JSON that a request is answered with; waits as long as the API asks for."""
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for attempt in range(1, TRIES_MAX + 1):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 429 and error.code < 500 or attempt == TRIES_MAX:
                raise
            asked = error.headers.get("Retry-After", "")
            wait = float(asked) if asked.replace(".", "", 1).isdigit() else 2.0**attempt
        time.sleep(min(wait, WAIT_MAX_S))


def login(base):
    secret = {"client_id": os.environ["API_ID"], "client_secret": os.environ["API_SECRET"]}
    body = urllib.parse.urlencode(secret).encode()
    return ask(urllib.request.Request(f"{base}/token", data=body))["access_token"]


def pages(base, since):
    token, page = login(base), 1
    while page is not None:
        query = urllib.parse.urlencode({"since": since, "page": page})
        request = urllib.request.Request(f"{base}/items?{query}")
        try:
            answer = ask(request, token)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            token = login(base)  # it has ended while the pages were read
            answer = ask(request, token)
        yield answer["items"]
        page = answer["next"]


def main():
    base = sys.argv[1].rstrip("/")
    mark = json.loads(os.environ["LANDFALL_WATERMARK"] or '{"since": "", "seen": []}')
    seen = set(mark["seen"])
    items = [item for page in pages(base, mark["since"]) for item in page if item["id"] not in seen]
    if not items:
        return
    for item in items:
        print(json.dumps(item, separators=(",", ":")))
    newest = max(item["updated_at"] for item in items)
    last = [item["id"] for item in items if item["updated_at"] == newest]
    if newest == mark["since"]:
        last += mark["seen"]
    with open(os.environ["LANDFALL_WATERMARK_FILE"], "w") as file:
        json.dump({"since": newest, "seen": last}, file)


if __name__ == "__main__":
    try:
        main()
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
