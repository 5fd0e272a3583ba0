#!/usr/bin/env python3
"""Holds the connection guides to the code.

    guide.py check            the guides agree with the sources and with each other
    guide.py blocks LANGUAGE  prints the guide's code of one language, to be run

Checked are the worked example of the signature, every code of an error with its word, and that the two
languages show the same code.
"""

import base64
import hashlib
import hmac
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGLISH, VIETNAMESE = ROOT / "docs/connection-guide.md", ROOT / "docs/huong-dan-ket-noi.md"
failures = 0


def check(what, good, told=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} guide: {what}{'' if good else f': {told}'}")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def worked_example(name, text):
    secret = re.search(r"`([\w-]{43})`", text)[1]
    base = next(block for block in blocks(text, "text") if block.startswith('"@method"')).rstrip("\n")
    told = re.search(r"^Signature: lgsp=:(.*):$", text, re.M)[1]
    made = base64.b64encode(hmac.digest(secret.encode(), base.encode(), hashlib.sha256)).decode()
    check(f"the worked example of {name} is right", made == told, made)
    parameters = base.split('"@signature-params": ')[1]
    check(f"its headers are those of its base, {name}", f"Signature-Input: lgsp={parameters}\n" in text)


def codes():
    """Code and word of everything that the API can answer."""
    sources = [
        ("raft/machine/src/refusal.rs", r'\d+ \w+ = "(\w+)" (\d+):'),
        ("node/api/src/texts/faults.rs", r' = "(\w+)" (\d+) \d+ (?:true|false)$'),
    ]
    for path, pattern in sources:
        for word, number in re.findall(pattern, (ROOT / path).read_text(), re.M):
            yield int(number), word
    rejections = (ROOT / "node/auth/src/rejection.rs").read_text()
    numbers = dict(re.findall(r'Self::(\w+)(?: \{ \.\. \})?\s*=>\s*\(\s*"[\w-]+",\s*(\d+),', rejections))
    texts = (ROOT / "node/api/src/texts/rejections.rs").read_text()
    words = dict(re.findall(r'Rejection::(\w+)(?: \{ \.\. \})?\s*=>\s*\(\s*"(\w+)",\s*texts', texts))
    for name, number in numbers.items():
        yield int(number), words.get(name, f"no word for {name}")


def compare():
    english, vietnamese = ENGLISH.read_text(), VIETNAMESE.read_text()
    for name, text in [(ENGLISH.name, english), (VIETNAMESE.name, vietnamese)]:
        worked_example(name, text)
        table = {(int(number), word) for number, word in re.findall(r"^\| LGSP-(\d+) \| `(\w+)` \|", text, re.M)}
        known = set(codes())
        check(f"{name} lists the {len(known)} codes of the sources", table == known, table ^ known)
    for language in ["sh", "python"]:
        same = blocks(english, language) == blocks(vietnamese, language) != []
        check(f"both languages show the same {language}", same)


if sys.argv[1] == "blocks":
    print("\n".join(blocks(ENGLISH.read_text(), sys.argv[2])))
else:
    compare()
sys.exit(1 if failures else 0)
