"""An S3 server on the loopback: `s3_server.py [OBJECTS]` makes a bucket, fills it, prints its URL, and waits.

With `INITIAL_NO_AUTH_ACTION_COUNT` in the environment it also asks for rights: who may read, and who may do nothing,
are printed behind the URL.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta

import boto3
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

BUCKET = "wheels"
SETUP_CALLS = 6
OLD_DAYS = 200
_READ = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        }
    ],
}


def _client(service: str, url: str) -> object:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="setup",
        aws_secret_access_key="setup",
    )


def _fill(count: int) -> None:
    """Put small files there that are months old, as many years of pushing leave them."""
    backend = s3_backends["123456789012"]["aws"]
    for number in range(count):
        content = b"%d" % number
        sha256 = hashlib.sha256(content).hexdigest()
        key = backend.put_object(BUCKET, f"team/blobs/{sha256[:2]}/{sha256}", content)
        key.last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=OLD_DAYS)


def main() -> None:
    """Serve until the reader of the first line is gone."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3, told = _client("s3", url), {"url": url}
    s3.create_bucket(Bucket=BUCKET)  # type: ignore[attr-defined]
    if os.environ.get("INITIAL_NO_AUTH_ACTION_COUNT"):
        iam = _client("iam", url)
        for name in ("reader", "nobody"):
            iam.create_user(UserName=name)  # type: ignore[attr-defined]
            key = iam.create_access_key(UserName=name)["AccessKey"]  # type: ignore[attr-defined]
            told[name] = f"{key['AccessKeyId']}:{key['SecretAccessKey']}"
        policy = json.dumps(_READ)
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)  # type: ignore[attr-defined]
    _fill(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(json.dumps(told), flush=True)  # noqa: T201 - the tests read it
    threading.Event().wait()


if __name__ == "__main__":
    main()
