#!/usr/bin/env python3
"""Uploads with a client that this project did not write: tuspy 1.1.0, with a space's token.

    tus_client.py FILE SPACE_URL UPLOAD_URL

Settings come from the environment: LGSP_TOKEN, the token of the space. REQUESTS_CA_BUNDLE names the
authority. The first half is sent in chunks with a checksum each; then a second client, which knows the
address only, finds the offset and sends the rest.
"""

import hashlib
import os
import sys

from tusclient import client
from tusclient.uploader import Uploader

FILE, SPACE, UPLOAD = sys.argv[1:4]
CHUNK = 512 * 1024
headers = {"Authorization": f"Bearer {os.environ['LGSP_TOKEN']}"}
size = os.path.getsize(FILE)


def check(what, good, told=""):
    print(f"{'ok  ' if good else 'FAIL'} tuspy: {what}{'' if good else f': {told}'}")
    if not good:
        sys.exit(1)


class Sha256(Uploader):
    """The checksum of tuspy is sha1 unless told otherwise."""

    CHECKSUM_ALGORITHM_PAIR = ("sha256", hashlib.sha256)


tus = client.TusClient(SPACE, headers=headers)
first = Sha256(
    file_path=FILE, client=tus, chunk_size=CHUNK, upload_checksum=True,
    metadata={"filename": "Bản đồ quy hoạch.zip", "filetype": "application/zip"},
)
first.upload(stop_at=size // 2)
check("the first half with sha256 checksums", first.offset == size // 2, first.offset)
check("the address is the space's", first.url == UPLOAD, first.url)

second = tus.uploader(file_path=FILE, url=UPLOAD, chunk_size=CHUNK, upload_checksum=True)
check("the offset is found again", second.offset == size // 2, second.offset)
second.upload()
check("the rest with sha1 checksums", second.offset == size, second.offset)
