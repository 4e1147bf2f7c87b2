#!/usr/bin/env python3
"""Copies each batch to S3, or what speaks its protocol, and its manifest last. Needs the package boto3.

    [feed.orders]
    sinks = ["s3"]

    [sink.s3]
    command = ["deploy/downstream/s3.py", "s3://bucket/landing"]
    timeout = "1h"

Credentials, region and endpoint are boto3's: AWS_PROFILE, AWS_ENDPOINT_URL and so on. Keys are as in the zone,
below the prefix. Each file is compared with its digest in the manifest, here and by S3, and no object is ever
replaced: a repeat finds the same one there, and another of the same name is an error. In the copied manifest
`url` is the object's, so that Redshift takes it as it is:

    COPY raw.orders_v1 FROM 's3://bucket/landing/lake/orders/_manifests/0000000001.json'
        IAM_ROLE default FORMAT PARQUET MANIFEST

Files of more than 5 GiB, which S3 takes in parts only, are refused.
"""
import base64
import hashlib
import io
import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


class Bucket:
    def __init__(self, place):
        scheme, _, rest = place.partition("://")
        if scheme != "s3":
            sys.exit(f"{place} is no s3:// address")
        self.name, _, prefix = rest.partition("/")
        self.prefix = prefix.rstrip("/") + "/" if prefix else ""
        self.client = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))

    def url(self, path):
        return f"s3://{self.name}/{self.prefix}{path}"

    def put(self, path, file, sha256):
        """Makes an object; one that is there already has to be the same."""
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            sys.exit(f"{path} is not what the manifest says it is")
        file.seek(0)
        there = {"Bucket": self.name, "Key": self.prefix + path}
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        try:
            self.client.put_object(
                **there, Body=file, ChecksumSHA256=checksum, Metadata={"sha256": sha256}, IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            if self.client.head_object(**there)["Metadata"].get("sha256") != sha256:
                sys.exit(f"{self.url(path)} is there already and is another file")


def main(place, _manifest):
    bucket = Bucket(place)
    if os.environ.get("LANDFALL_TEST"):  # `landfall sink test`
        bucket.client.head_bucket(Bucket=bucket.name)
        return
    manifest = json.load(sys.stdin)
    for entry in manifest["entries"] + manifest["rejects"]:
        with open(entry["url"], "rb") as file:
            bucket.put(entry["url"], file, entry["sha256"])
        entry["url"] = bucket.url(entry["url"])
    for taken_back in manifest["retracts"]:
        taken_back["url"] = bucket.url(taken_back["url"])
    text = (json.dumps(manifest, indent=2) + "\n").encode()
    path = f"lake/{manifest['feed']}/_manifests/{manifest['sequence']:010}.json"
    bucket.put(path, io.BytesIO(text), hashlib.sha256(text).hexdigest())
    print(json.dumps({"tables": [bucket.url(path)], "rows": manifest["rows"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
