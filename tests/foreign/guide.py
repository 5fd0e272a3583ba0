#!/usr/bin/env python3
"""Holds the connection guides to the code.

    guide.py check            the guides agree with the sources and with each other
    guide.py blocks LANGUAGE  prints the guide's code of one language, to be run

Checked are the worked example of the signature, every code of an error with its word, the limits with their numbers,
words and keys, and that the two languages show the same code and name the same files.
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


# A limit: the source, what stands around its number there, what the number counts in the guides, and where it stands
# in the English and in the Vietnamese guide.
KIB, MIB, GIB, HOUR, DAY = 1 << 10, 1 << 20, 1 << 30, 3_600_000, 24 * 3_600_000
MACHINE, PACKETS = "raft/machine/src/limits.rs", "raft/machine/src/v1/packets.rs"
NAMES = "raft/model/src/names.rs"
API, LIMIT, PROFILE = "node/api/src/settings.rs", "node/api/src/limits.rs", "node/auth/src/profile.rs"
CONFIG, TIMING = "node/app/src/config/mod.rs", "raft/consensus/src/options.rs"
MOST = "impl {} {{\n    /// Characters that it has at the most{}.\n    pub const {}_MAX: usize = @;"
LIMITS = [
    (PACKETS, "TARGETS_MAX: usize = @;", 1, "| `targets` | 1 to @ units", "| `targets` | 1 đến @ đơn vị"),
    (NAMES, MOST.format("Title", "", "CHARS"), 1, "| `title` | 1 to @ characters", "| `title` | 1 đến @ ký tự"),
    (NAMES, MOST.format("MediaType", ", all of them ASCII", "LEN"), 1, "| `media_type` | @ characters", "| `media_type` | @ ký tự"),
    (NAMES, MOST.format("FileName", "", "CHARS"), 1, "| file name | 1 to @ characters", "| tên tệp | 1 đến @ ký tự"),
    ("node/api/src/tus.rs", "METADATA_MAX: usize = @;", 1, "| `Upload-Metadata` | @ octets", "| `Upload-Metadata` | @ byte"),
    (MACHINE, "DELIVERY_TIME_MAX_MS: u64 = @;", DAY, "| `policy.deliver_by` | @ days", "| `policy.deliver_by` | @ ngày"),
    (NAMES, MOST.format("Label", "", "CHARS"), 1, "of a rejection | 1 to @ characters", "khi từ chối | 1 đến @ ký tự"),
    ("node/content/src/limits.rs", "SMALL_MAX: usize = @;", MIB, "round trip | @ MiB", "lượt đi về | @ MiB"),
    (API, "MULTIPART_FRAME_MAX: usize = @;", KIB, "`request` and `policy` | @ KiB", "`request` và `policy` | @ KiB"),
    (CONFIG, "content_max: Size(@)", GIB, "| content | @ GiB", "| nội dung | @ GiB"),
    (MACHINE, "SPACE_TIME_MS: u64 = @;", HOUR, "waits for its content | @ hours", "chờ nội dung | @ giờ"),
    ("node/api/src/tus.rs", "HELD_MAX: usize = @;", MIB, "of those over @ MiB", "trong các đoạn trên @ MiB"),
    ("node/api/src/tus.rs", "HELD_MAX: usize = @;", MIB, "or not at all | @ MiB", "hoặc không tính gì | @ MiB"),
    (CONFIG, "open_packets_a_target: @,", 1, "to one target | @ |", "tới một đích | @ |"),
    (CONFIG, "reserve: Size(@)", MIB, "node's disk | @ MiB stay free", "đĩa của nút | @ MiB luôn"),
    (MACHINE, "PACKETS_A_COMMAND_MAX: usize = @;", 1, "one confirmation | 1 to @ |", "trong một lần | 1 đến @ |"),
    (API, "PAGE_MAX: usize = @;", 1, "poll for events | @; without", "hỏi thông báo | @; không"),
    (API, "PAGE_DEFAULT: usize = @;", 1, "without it @ |", "không ghi là @ |"),
    ("raft/model/src/codes.rs", MOST.format("UnitCode", ", all of them ASCII", "LEN"), 1, "code of a unit | 1 to @ char", "mã đơn vị | 1 đến @ ký tự"),
    (NAMES, MOST.format("Label", "", "CHARS"), 1, "| `q` of a search | @ characters", "| `q` khi tìm | @ ký tự"),
    ("node/conductor/src/fetches.rs", "RANGES_MAX: usize = @;", 1, "one download | @ |", "một lần tải | @ |"),
    (MACHINE, "PROOF_AGE_MAX_MS: u64 = @;", 1000, "| `created` | @ s ago", "| `created` | từ @ s trước"),
    (MACHINE, "PROOF_AHEAD_MAX_MS: u64 = @;", 1000, "s ago to @ s ahead", "s trước đến @ s sau"),
    ("node/auth/src/verify.rs", "AGE_MAX: Duration = Duration::from_secs(@);", 1, "| `created` | @ s ago", "| `created` | từ @ s trước"),
    ("node/auth/src/verify.rs", "AHEAD_MAX: Duration = Duration::from_secs(@);", 1, "s ago to @ s ahead", "s trước đến @ s sau"),
    (PROFILE, "EXPIRES_MAX: Duration = Duration::from_secs(@);", 1, "| `expires` | @ s after", "| `expires` | @ s sau"),
    (NAMES, "(@..=128).contains(&text.len()) {\n        return Err(\"16", 1, "| `nonce` | @ to 128", "| `nonce` | @ đến 128"),
    (NAMES, "(16..=@).contains(&text.len())", 1, "| `nonce` | 16 to @ characters", "| `nonce` | 16 đến @ ký tự"),
    (PROFILE, "INPUT_MAX: usize = @;", 1, "| `Signature-Input` | @ octets", "| `Signature-Input` | @ byte"),
    (PROFILE, "SIGNATURE_MAX: usize = @;", 1, "| `Signature` | @ octets", "| `Signature` | @ byte"),
    ("node/auth/src/digest.rs", "FIELD_MAX: usize = @;", 1, "| `Content-Digest` | @ octets", "| `Content-Digest` | @ byte"),
    (PROFILE, "SIGNATURES_MAX: usize = @;", 1, "on one request | @, one", "trên một yêu cầu | @, trong"),
    ("node/auth/src/base.rs", "COMPONENTS_MAX: usize = @;", 1, "| covered components | @ |", "| số thành phần được ký | @ |"),
    ("node/auth/src/cavage.rs", "HEADER_MAX: usize = @;", 1, "legacy profile | @ octets", "kiểu ký cũ | @ byte"),
    ("node/auth/src/key.rs", "RSA_BITS_MIN: usize = @;", 1, "| RSA key | @ to", "| khoá RSA | @ đến"),
    ("node/auth/src/key.rs", "RSA_BITS_MAX: usize = @;", 1, "to @ bits", "đến @ bit"),
    (API, "HEAD_SIZE_MAX: usize = @;", KIB, "the query | @ KiB", "truy vấn | @ KiB"),
    (API, "HEADER_COUNT_MAX: usize = @;", 1, "over HTTP/1.1 | @ |", "với HTTP/1.1 | @ |"),
    (API, "JSON_MAX: usize = @;", KIB, "| JSON | @ KiB", "| JSON | @ KiB"),
    (API, "JSON_BULK_MAX: usize = @;", MIB, "`/v1/confirmations` @ MiB", "`/v1/confirmations` là @ MiB"),
    (NAMES, MOST.format("IdempotencyKey", ", all of them ASCII", "LEN"), 1, "| `Idempotency-Key` | 1 to @", "| `Idempotency-Key` | 1 đến @"),
    (MACHINE, "IDEMPOTENCY_TIME_MS: u64 = @;", DAY, "is remembered | @ days", "nhớ khoá đó | @ ngày"),
    (MACHINE, "IDEMPOTENCY_KEYS_MAX: u64 = @;", 1, "for one application | @ |", "nhớ của một ứng dụng | @ |"),
    (API, "BODY_IDLE_MAX: Duration = Duration::from_secs(@);", 1, "within a body | @ s", "giữa thân yêu cầu | @ s"),
    ("node/api/src/shares.rs", "COLLECTED: Self = Self { base: Duration::from_secs(@)", 1, "of a body | @ s, and", "thân yêu cầu | @ s, cộng"),
    ("node/api/src/shares.rs", "COLLECTED: Self = Self { base: Duration::from_secs(30), a_second: @ }", KIB,
     "of a body | 30 s, and a second each @ KiB", "thân yêu cầu | 30 s, cộng một giây mỗi @ KiB"),
    ("node/api/src/shares.rs", "STREAMED: Self = Self { base: Duration::from_secs(30), a_second: @ }", KIB,
     "a space | 30 s, and a second each @ KiB", "không gian | 30 s, cộng một giây mỗi @ KiB"),
    (TIMING, "propose_deadline: Duration::from_secs(@),", 1, "takes a change | @ s", "nhận một thay đổi | @ s"),
    (TIMING, "fresh_max: Duration::from_secs(@),", 1, "from what it knows | @ s", "những gì nó biết | @ s"),
    ("node/api/src/dto/check.rs", "ERRORS_MAX: usize = @;", 1, "of one problem | @ |", "câu trả lời lỗi | @ |"),
    ("node/api/src/linger.rs", "LINGER_MAX: usize = @;", MIB, "after a refusal | @ MiB", "bị từ chối | @ MiB"),
    (API, "HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(@);", 1, "head of a request | @ s", "một yêu cầu | mỗi việc @ s"),
    (LIMIT, "STRANGER_IDLE_MAX: Duration = Duration::from_secs(@);", 1, "or token | @ s", "đúng đầu tiên | @ s"),
    (API, "IDLE_TIME_MAX: Duration = Duration::from_secs(@);", 1, "after it | @ s", "nghỉ sau đó | @ s"),
    (API, "STREAMS_MAX: u32 = @;", 1, "HTTP/2 connection | @ |", "kết nối HTTP/2 | @ |"),
    (LIMIT, "CONNECTIONS_MAX_DEFAULT: usize = @;", 1, "connections of a node | @,", "kết nối của một nút | @,"),
    (LIMIT, "CONNECTIONS_AN_ADDRESS_DEFAULT: usize = @;", 1, "a good signature | @;", "có chữ ký đúng | @;"),
    (LIMIT, "STRANGERS_BURST: u32 = @;", 1, "begun | @ at once", "được mở | @ cùng lúc"),
    (LIMIT, "STRANGERS_A_SECOND: u32 = @;", 1, "and @ a second", "và @ mỗi giây"),
    (LIMIT, "REQUESTS_A_SECOND_DEFAULT: u32 = @;", 1, "one application | @ a second", "một ứng dụng | @ mỗi giây"),
    (LIMIT, "WAITING_AN_APP_MAX: usize = @;", 1, "their turn | @,", "chờ lượt | @,"),
    (LIMIT, "TURNS_MAX: usize = @;", 1, "beside @ in work", "ngoài @ yêu cầu"),
    (API, "BUFFERED_MAX_DEFAULT: usize = @;", MIB, "room for bodies | @ MiB", "thân yêu cầu | @ MiB, máy"),
    (API, "BUFFER_WAIT_MAX: Duration = Duration::from_secs(@);", 1, "| after @ s 503", "| sau @ s là 503"),
    ("node/content/src/writers.rs", "SESSIONS_MAX: usize = @;", 1, "spaces at once | @,", "cùng lúc | @, máy"),
    (LIMIT, "STREAMS_A_KEY_MAX: usize = @;", 1, "of one key | @ |", "của một khoá | @ |"),
    (LIMIT, "STREAMS_A_UNIT_MAX: usize = @;", 1, "the same of one unit | @ |", "cũng vậy, của một đơn vị | @ |"),
    (API, "STREAMS_OF_EVENTS_MAX: usize = @;", 1, "the same of the node | @ |", "cũng vậy, của cả nút | @ |"),
    (MACHINE, "FEED_EVENTS_MAX: u64 = @;", 1, "kept of one unit | @ |", "giữ của một đơn vị | @ |"),
    ("node/api/src/routes/events.rs", "WAIT_MAX_SECS: u64 = @;", 1, "| `wait` of a poll | @ s", "| `wait` của lần hỏi | @ s"),
    ("node/api/src/sse.rs", "LIFE_MIN: Duration = Duration::from_secs(@);", 60, "of a stream | @ to", "một luồng | @ đến"),
    ("node/conductor/src/notices.rs", "WAITING_COUNT_MAX: usize = @;", 1, "`waiting` counts | @ |", "`waiting` đếm | @ |"),
]
# What the guides' words follow from: a quarter, half, twice the rate, some 1,900 pieces taken back, at two runs each.
DERIVED = [
    ("node/api/src/shares.rs", ["APP_PART: usize = 4;", "UNIT_PART: usize = 2;", "BURST_SECS: u32 = 2;"]),
    ("node/conductor/src/sessions.rs", ["UPLOADS_AN_APP_PART: usize = 4;"]),
    (MACHINE, ["FEED_SHARE: u64 = FEED_EVENTS_MAX / 4;"]),
    ("node/content/src/layout.rs", ["RUNS_MAX: usize = 4096;", "RUNS_KEPT: usize = 256;"]),
    ("node/api/src/limits.rs", ["self.connections_max / 4", "self.connections_max / 2"]),
]


def number(path, around, counted_in):
    """The number that stands in a source, in what the guides count it in."""
    before, after = (re.escape(part) for part in around.split("@"))
    found = re.search(rf"(?<!\w){before}([\d_ *<]+){after}", (ROOT / path).read_text())
    octets = eval(found[1], {"__builtins__": {}}) if found else None  # digits and two operators, by the pattern
    return octets // counted_in if octets and octets % counted_in == 0 else None


def section(text, heading):
    return re.search(rf"^## {heading}$(.*?)^## ", text, re.M | re.S)[1]


def limits(english, vietnamese):
    before = failures
    both = section(english, r"\d+\. Limits"), section(vietnamese, r"\d+\. Giới hạn")
    for path, around, counted_in, *where in LIMITS:
        value = number(path, around, counted_in)
        for text, phrase, thousands in zip(both, where, ",."):
            told = phrase.replace("@", f"{value:,}".replace(",", thousands) if value else "?")
            if told not in text:
                check(f"a limit is that of {path}", False, f"{told!r}, by {around!r}")
    check(f"{len(LIMITS)} limits are those of the sources", failures == before)
    for path, lines in DERIVED:
        source = (ROOT / path).read_text()
        missing = [line for line in lines if line not in source]
        if missing:
            check(f"what follows from {path}", False, missing)

    rows = [re.findall(r"^\| .* \|$", text, re.M)[1:] for text in both]
    check("both languages have the same limits", len(rows[0]) == len(rows[1]), [len(each) for each in rows])
    for one, other in zip(*rows):
        code = [sorted(re.findall(r"`[^`]+`", row)) for row in (one, other)]
        numbers = [sorted(re.sub(rf"(?<=\d)[{mark}](?=\d{{3}})", "", digits) for digits in re.findall(r"\d[\d,.]*", row))
                   for row, mark in ((one, ","), (other, "."))]
        numbers = [[digits.rstrip(",.") for digits in each] for each in numbers]
        if code[0] != code[1] or numbers[0] != numbers[1]:
            check("a limit is the same in both languages", False, f"{one} and {other}")

    statuses = {word: status for word, status in re.findall(r"^\| LGSP-\d+ \| `(\w+)` \| (\d+) \|", english, re.M)}
    for status, word in re.findall(r"\b(\d{3}) `(\w+)`", both[0]):
        if statuses.get(word) != status:
            check("a limit is answered as the errors say", False, f"{status} {word}")
    config = (ROOT / CONFIG).read_text()
    for part, key in re.findall(r"`(storage|limits|timing)\.(\w+)`", both[0]):
        if not re.search(rf"pub {part}: ", config) or not re.search(rf"pub {key}: ", config):
            check("a limit's key is one of the configuration", False, f"{part}.{key}")
    check("the limits name statuses, words and keys that there are", failures == before)


def retryable():
    """The words that are worth another try."""
    yield from re.findall(r' = "(\w+)" \d+ \d+ true$', (ROOT / "node/api/src/texts/faults.rs").read_text(), re.M)
    refusals = dict(re.findall(r'\d+ (\w+) = "(\w+)" \d+:', (ROOT / "raft/machine/src/refusal.rs").read_text()))
    source = (ROOT / "node/api/src/texts/rules.rs").read_text()
    for name in re.findall(r"Refusal::(\w+)", re.search(r"fn is_retryable.*?^}", source, re.M | re.S)[0]):
        yield refusals[name]


def titles(language):
    """What the API says of each code, first."""
    messages = (ROOT / "node/api/tests/messages.txt").read_text()
    return dict(re.findall(rf"^LGSP-(\d+) .*\n(?:vi: .*\n)?{language}: (.*?)\. ", messages, re.M))


def compare():
    english, vietnamese = ENGLISH.read_text(), VIETNAMESE.read_text()
    for name, text, language in [(ENGLISH.name, english, "en"), (VIETNAMESE.name, vietnamese, "vi")]:
        worked_example(name, text)
        told = dict(re.findall(r"^\| LGSP-(\d+) \| `\w+` \| \d+ \| (.*) \|$", text, re.M))
        differ = told.items() ^ titles(language).items()
        check(f"{name} tells errors as the API does", told and not differ, sorted(differ))
        table = {(int(number), word) for number, word in re.findall(r"^\| LGSP-(\d+) \| `(\w+)` \|", text, re.M)}
        known = set(codes())
        check(f"{name} lists the {len(known)} codes of the sources", table == known, table ^ known)
        listed = set(re.findall(r"`(\w+)`", re.search(r"\(`retryable`\):(.*?)\.", text, re.S)[1]))
        check(f"{name} lists what is worth another try", listed == set(retryable()), listed ^ set(retryable()))
    limits(english, vietnamese)
    files = [sorted(set(re.findall(r"\]\((examples/[\w.]+)\)", text))) for text in (english, vietnamese)]
    there = sorted(f"examples/{path.name}" for path in (ROOT / "docs/examples").iterdir())
    check("both languages name every example", files[0] == files[1] == there, files)
    for language in ["sh", "python", "java", "csharp", "php", "javascript"]:
        same = blocks(english, language) == blocks(vietnamese, language) != []
        check(f"both languages show the same {language}", same)


if sys.argv[1] == "blocks":
    print("\n".join(blocks(ENGLISH.read_text(), sys.argv[2])))
else:
    compare()
sys.exit(1 if failures else 0)
