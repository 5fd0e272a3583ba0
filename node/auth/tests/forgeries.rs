//! Ten thousand forgeries: good requests, each changed in one way that changes what it means.
//! None may pass. The seed is fixed, so a forgery that does is found again.

extern crate lgsp_auth as auth;

mod common;

use std::{collections::BTreeMap, time::Duration};

use auth::{KeyMaterial, content_digest_sha256};
use common::{
    KEY, NONCE, NOW, OTHER_HOST, OTHER_KEY, Request, base64, check, hmac, key_pair, record,
    unbase64,
};
use model::{AccessKey, KeyAlgorithm, Moment};
use rand::{RngExt as _, SeedableRng, rngs::SmallRng};
use sha2::{Digest as _, Sha256, Sha512};

const FORGERIES: usize = 10_000;

/// A request and the time at which it arrives.
type Arrival = (Request, Moment);
type Mutation = (&'static str, fn(&mut Arrival, &mut SmallRng));

/// A signature's input in its parts, so that they can be moved.
struct Input {
    label: String,
    components: Vec<String>,
    parameters: Vec<String>,
}

impl Input {
    fn of(request: &Request) -> Self {
        let text = request.get("signature-input").expect("signed");
        let (label, rest) = text.split_once("=(").expect("an inner list");
        let (components, parameters) = rest.split_once(')').expect("an inner list");
        Self {
            label: label.to_owned(),
            components: components
                .split(' ')
                .filter(|c| !c.is_empty())
                .map(str::to_owned)
                .collect(),
            parameters: parameters
                .split(';')
                .filter(|p| !p.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    fn put(self, request: &mut Request) {
        let parameters: String = self.parameters.iter().map(|p| format!(";{p}")).collect();
        request.set(
            "signature-input",
            format!("{}=({}){parameters}", self.label, self.components.join(" ")),
        );
    }

    fn parameter(&mut self, name: &str) -> &mut String {
        let start = format!("{name}=");
        self.parameters.iter_mut().find(|p| p.starts_with(&start)).expect("a parameter")
    }
}

fn edit(arrival: &mut Arrival, change: impl FnOnce(&mut Input)) {
    let mut input = Input::of(&arrival.0);
    change(&mut input);
    input.put(&mut arrival.0);
}

fn signature(request: &Request) -> Vec<u8> {
    let text = request.get("signature").expect("signed");
    unbase64(text.split(':').nth(1).expect("octets"))
}

fn set_signature(request: &mut Request, octets: &[u8]) {
    let label = Input::of(request).label;
    request.set("signature", format!("{label}=:{}:", base64(octets)));
}

fn pick<'a, T>(rng: &mut SmallRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

fn word(rng: &mut SmallRng, from: &[&'static str]) -> &'static str {
    from[rng.random_range(0..from.len())]
}

/// Replaces one character of a text by another of those given.
fn change_char(text: &mut String, rng: &mut SmallRng, alphabet: &[u8]) {
    let mut octets = std::mem::take(text).into_bytes();
    if octets.is_empty() {
        octets.push(b'a');
    }
    let index = rng.random_range(0..octets.len());
    octets[index] = *pick(rng, alphabet);
    *text = String::from_utf8(octets).expect("ASCII");
}

const LETTERS: &[u8] = b"abcdefXYZ0189-_.~";

/// Percent-encodes one letter: the same resource to many servers, but not what was signed.
fn encode_char(text: &mut String, rng: &mut SmallRng) {
    let letters: Vec<usize> = text
        .bytes()
        .enumerate()
        .filter(|(_, c)| c.is_ascii_alphanumeric())
        .map(|(i, _)| i)
        .collect();
    if letters.is_empty() {
        text.push_str("%61");
        return;
    }
    let index = *pick(rng, &letters);
    let encoded = format!("%{:02x}", text.as_bytes()[index]);
    text.replace_range(index..=index, &encoded);
}

fn mutations() -> Vec<Mutation> {
    vec![
        ("method", |a, rng| {
            a.0.method = word(rng, &["GET", "PUT", "DELETE", "PATCH", "post", "HEAD", "POSTX", ""])
                .to_string()
        }),
        ("path character", |a, rng| change_char(&mut a.0.path, rng, LETTERS)),
        ("path longer", |a, rng| {
            a.0.path.push_str(word(rng, &["/", "/..", "/.", "x", "%20", ";a", "//"]))
        }),
        ("path shorter", |a, _| a.0.path.truncate(a.0.path.len() - 1)),
        ("path encoded", |a, rng| encode_char(&mut a.0.path, rng)),
        ("path case", |a, _| a.0.path = a.0.path.to_uppercase()),
        ("path decoded", |a, _| a.0.path = a.0.path.replace("%2F", "/").replace("v1", "v2")),
        ("query character", |a, rng| change_char(a.0.query.get_or_insert_default(), rng, LETTERS)),
        ("query longer", |a, rng| {
            a.0.query.get_or_insert_default().push_str(word(rng, &["&a=b", "&", "=", "%00", "?"]))
        }),
        ("query encoded", |a, rng| encode_char(a.0.query.get_or_insert_default(), rng)),
        ("query dropped or empty", |a, _| {
            a.0.query = if a.0.query.is_some() { None } else { Some(String::new()) }
        }),
        ("query case of hex", |a, _| {
            a.0.query = Some(a.0.query.clone().unwrap_or_default().replace("%E1", "%e1") + "&x")
        }),
        ("query reordered", |a, _| {
            let query = a.0.query.clone().unwrap_or_default();
            a.0.query = Some(query.rsplit('&').collect::<Vec<_>>().join("&") + "&y");
        }),
        ("query moved into the path", |a, _| {
            a.0.path = format!("{}?{}", a.0.path, a.0.query.take().unwrap_or_default() + "z");
        }),
        ("authority", |a, rng| {
            a.0.authority = pick(
                rng,
                &[OTHER_HOST, "evil.example", "", "lgsp.example.vn:80", "lgsp.example.vn."],
            )
            .to_string()
        }),
        ("body character", |a, rng| {
            let index = rng.random_range(0..=a.0.body.len());
            match a.0.body.get_mut(index) {
                Some(octet) => *octet ^= 1 << (index % 8),
                None => a.0.body.push(rng.random()),
            }
        }),
        ("body gone or grown", |a, _| {
            if a.0.body.pop().is_none() {
                a.0.body.push(b'{')
            }
        }),
        ("body and digest swapped", |a, rng| {
            a.0.body = (0..20).map(|_| rng.random()).collect();
            a.0.set("content-digest", content_digest_sha256(&Sha256::digest(&a.0.body).into()));
        }),
        ("digest of another algorithm", |a, _| {
            let digest = auth::content_digest_sha512(&Sha512::digest(&a.0.body).into());
            a.0.set("content-digest", digest);
        }),
        ("digest added", |a, _| {
            let other = content_digest_sha256(&Sha256::digest(b"other").into());
            a.0.headers.push(("content-digest".to_owned(), other.into_bytes()));
        }),
        ("digest dropped", |a, _| {
            a.0.remove("content-digest");
            a.0.body.push(b'x');
        }),
        ("covered field changed", |a, rng| {
            let covered = covered_fields(&a.0);
            match covered.is_empty() {
                true => a.0.path.push('f'),
                false => {
                    let name = pick(rng, &covered).clone();
                    let value = a.0.get(&name).unwrap_or_default().to_owned() + "x";
                    a.0.set(&name, value);
                }
            }
        }),
        ("covered field repeated", |a, rng| {
            let covered = covered_fields(&a.0);
            match covered.is_empty() {
                true => a.0.path.push('r'),
                false => {
                    let name = pick(rng, &covered).clone();
                    let value = a.0.get(&name).unwrap_or_default().as_bytes().to_vec();
                    a.0.headers.push((name, value));
                }
            }
        }),
        ("covered field dropped", |a, rng| {
            let covered = covered_fields(&a.0);
            match covered.is_empty() {
                true => a.0.path.push('d'),
                false => {
                    let name = pick(rng, &covered).clone();
                    a.0.remove(&name);
                }
            }
        }),
        ("meaningful field added", |a, rng| {
            let name = word(
                rng,
                &[
                    "authorization",
                    "idempotency-key",
                    "upload-length",
                    "upload-offset",
                    "upload-metadata",
                    "upload-concat",
                ],
            );
            a.0.headers.push((name.to_owned(), b"forged".to_vec()));
        }),
        ("component dropped", |a, rng| {
            edit(a, |i| {
                let index = rng.random_range(0..i.components.len());
                i.components.remove(index);
            })
        }),
        ("component added", |a, rng| {
            edit(a, |i| {
                i.components.push(
                    word(
                        rng,
                        &[
                            "\"user-agent\"",
                            "\"@scheme\"",
                            "\"host\"",
                            "\"@path\";req",
                            "\"@foo\"",
                            "\"absent\"",
                        ],
                    )
                    .to_string(),
                );
            })
        }),
        ("component repeated", |a, rng| {
            edit(a, |i| i.components.push(pick(rng, &i.components).clone()))
        }),
        ("components reordered", |a, _| edit(a, |i| i.components.rotate_left(1))),
        ("no components", |a, _| edit(a, |i| i.components.clear())),
        ("component with a parameter", |a, rng| {
            edit(a, |i| {
                let index = rng.random_range(0..i.components.len());
                i.components[index].push_str(word(
                    rng,
                    &[";req", ";tr", ";sf", ";bs", ";key=\"a\"", ";name=\"q\""],
                ));
            })
        }),
        ("created", |a, rng| {
            edit(a, |i| {
                let by = *pick(rng, &[1_i64, -1, 30, -250, 100_000, -1_795_334_851]);
                *i.parameter("created") = format!("created={}", NOW.secs().cast_signed() + by);
            })
        }),
        ("expires", |a, rng| {
            edit(a, |i| {
                i.parameters.push(format!("expires={}", NOW.secs() + rng.random_range(0..400)));
            })
        }),
        ("nonce", |a, rng| {
            edit(a, |i| {
                *i.parameter("nonce") = format!("nonce=\"{:032x}\"", rng.random::<u128>());
            })
        }),
        ("another key", |a, _| {
            edit(a, |i| *i.parameter("keyid") = format!("keyid=\"{OTHER_KEY}\""))
        }),
        ("an unknown key", |a, rng| {
            edit(a, |i| {
                let key = AccessKey::from_random(rng.random());
                *i.parameter("keyid") = format!("keyid=\"{key}\"");
            })
        }),
        ("keyid twice", |a, rng| {
            edit(a, |i| {
                let other = format!("keyid=\"{OTHER_KEY}\"");
                let at = rng.random_range(0..=i.parameters.len());
                i.parameters.insert(at, other);
                i.parameters.push("x=1".to_owned());
            })
        }),
        ("algorithm named", |a, rng| {
            edit(a, |i| {
                i.parameters.push(format!(
                    "alg=\"{}\"",
                    word(
                        rng,
                        &[
                            "hmac-sha256",
                            "rsa-v1_5-sha256",
                            "rsa-pss-sha512",
                            "ed25519",
                            "ecdsa-p256-sha256",
                            "hmac-sha1",
                            "none"
                        ]
                    )
                ));
            })
        }),
        ("tag", |a, rng| {
            edit(a, |i| {
                *i.parameter("tag") = word(
                    rng,
                    &["tag=\"lgsp-v2\"", "tag=\"\"", "tag=lgsp-v1", "x=1", "tag=\"LGSP-V1\""],
                )
                .to_string()
            })
        }),
        ("parameter dropped", |a, rng| {
            edit(a, |i| {
                let index = rng.random_range(0..i.parameters.len());
                i.parameters.remove(index);
            })
        }),
        ("parameters reordered", |a, _| edit(a, |i| i.parameters.rotate_left(1))),
        ("parameter added", |a, rng| {
            edit(a, |i| {
                i.parameters.push(word(rng, &["x", "context=\"a\"", "purpose=?0"]).to_string())
            })
        }),
        ("signature bit", |a, rng| {
            let mut octets = signature(&a.0);
            let index = rng.random_range(0..octets.len());
            octets[index] ^= 1 << rng.random_range(0..8);
            set_signature(&mut a.0, &octets);
        }),
        ("signature cut", |a, rng| {
            let octets = signature(&a.0);
            let length = rng.random_range(0..octets.len());
            set_signature(&mut a.0, &octets[..length]);
        }),
        ("signature grown", |a, rng| {
            let mut octets = signature(&a.0);
            octets.extend((0..rng.random_range(1..40)).map(|_| 0));
            set_signature(&mut a.0, &octets);
        }),
        ("signature shuffled", |a, rng| {
            let mut octets = signature(&a.0);
            let middle = rng.random_range(1..octets.len());
            octets.rotate_left(middle);
            set_signature(&mut a.0, &octets);
        }),
        ("signature of zeros", |a, _| {
            let length = signature(&a.0).len();
            set_signature(&mut a.0, &vec![0; length]);
        }),
        ("signature of another request", |a, rng| {
            let other =
                Request::new("POST", &format!("/v1/other/{}", rng.random::<u32>())).signed(hmac());
            set_signature(&mut a.0, &signature(&other));
        }),
        ("whole signature of another request", |a, rng| {
            let other =
                Request::new("POST", &format!("/v1/other/{}", rng.random::<u32>())).signed(hmac());
            for name in ["signature-input", "signature"] {
                a.0.set(name, other.get(name).expect("signed"));
            }
        }),
        ("label", |a, _| edit(a, |i| i.label = "other".to_owned())),
        ("no signature", |a, rng| a.0.remove(word(rng, &["signature", "signature-input"]))),
        ("signed twice", |a, _| {
            let input = a.0.get("signature-input").expect("signed").to_owned();
            a.0.headers.push(("signature-input".to_owned(), format!("x{input}").into_bytes()));
        }),
        ("too late or too early", |a, rng| {
            let by = Duration::from_millis(rng.random_range(1..10_000_000));
            a.1 = if rng.random() {
                NOW.plus(by + Duration::from_secs(300))
            } else {
                NOW.minus(by + Duration::from_secs(60))
            };
        }),
        ("as the legacy scheme", |a, rng| {
            let octets = base64(&signature(&a.0));
            let algorithm = word(rng, &["hmac-sha256", "hs2019", "hmac-sha1", "rsa-sha256"]);
            a.0.remove("signature-input");
            a.0.remove("signature");
            a.0.set("date", "Sun, 22 Nov 2026 08:07:31 GMT");
            a.0.set("authorization", format!("Signature keyId=\"{KEY}\",algorithm=\"{algorithm}\",headers=\"(request-target) host date\",signature=\"{octets}\""));
        }),
        ("line break in a field", |a, rng| {
            let covered = covered_fields(&a.0);
            let name = if covered.is_empty() {
                "signature".to_owned()
            } else {
                pick(rng, &covered).clone()
            };
            let value = a.0.get(&name).unwrap_or_default().to_owned() + "\n\"x\": y";
            a.0.set(&name, value);
        }),
    ]
}

fn covered_fields(request: &Request) -> Vec<String> {
    let components = Input::of(request).components;
    components
        .into_iter()
        .map(|c| c.trim_matches('"').to_owned())
        .filter(|c| !c.starts_with('@'))
        .collect()
}

/// Good requests of several shapes, with the keys that they are signed by.
fn originals() -> Vec<(Request, KeyMaterial)> {
    let parameters =
        format!(";created={};keyid=\"{KEY}\";nonce=\"{NONCE}\";tag=\"lgsp-v1\"", NOW.secs());
    let post = || {
        Request::new("POST", "/v1/packets?a=%E1%BB%9F&b=2")
            .body(b"{\"title\": \"x\"}")
            .header("idempotency-key", "\"k-1\"")
    };
    let parts =
        format!("(\"@query\" \"@path\" \"@authority\" \"@method\" \"content-digest\"){parameters}");
    let all = format!(
        "(\"@method\" \"@target-uri\" \"authorization\" \"user-agent\" \"x-a\"){parameters}"
    );
    let mut originals = vec![
        (post().signed(hmac()), key_pair(KeyAlgorithm::HmacSha256)),
        (Request::new("GET", "/v1/units").signed(hmac()), key_pair(KeyAlgorithm::HmacSha256)),
        (
            Request::new("PUT", "/v1/a%2Fb?part=content").body(b"abc").signed_as(
                "sig1",
                &parts,
                &hmac(),
            ),
            key_pair(KeyAlgorithm::HmacSha256),
        ),
        (
            Request::new("DELETE", "/v1/spaces/sp_1")
                .header("authorization", "Bearer x")
                .header("x-a", "1")
                .header("x-a", "2")
                .signed_as("b", &all, &hmac()),
            key_pair(KeyAlgorithm::HmacSha256),
        ),
    ];
    for algorithm in [
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::RsaV15Sha256,
        KeyAlgorithm::RsaPssSha512,
        KeyAlgorithm::EcdsaP256Sha256,
    ] {
        originals.push((post().signed(key_pair(algorithm).0), key_pair(algorithm)));
    }
    originals.into_iter().map(|(request, (_, material))| (request, record(material))).collect()
}

#[test]
fn ten_thousand_forgeries_are_refused() {
    let originals = originals();
    for (request, record) in &originals {
        check(request, NOW, record).unwrap_or_else(|why| panic!("{request:?}: {why}"));
    }
    let mutations = mutations();
    let mut rng = SmallRng::seed_from_u64(74_2025);
    let mut refusals: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut forged, mut index) = (0, 0_usize);
    while forged < FORGERIES {
        let (name, mutate) = mutations[index % mutations.len()];
        let (request, record) = &originals[index / mutations.len() % originals.len()];
        index += 1;
        let mut arrival = (request.clone(), NOW);
        mutate(&mut arrival, &mut rng);
        // Now and then a change changes nothing, as one letter put in place of itself.
        if (&arrival.0, arrival.1) == (request, NOW) {
            continue;
        }
        forged += 1;
        match check(&arrival.0, arrival.1, record) {
            Ok(_) => panic!("passed: {name}, number {index}: {arrival:?}"),
            Err(why) => *refusals.entry(why.as_str()).or_default() += 1,
        }
    }
    // The forgeries are of many kinds, so they must meet many walls.
    for wall in [
        "signature-invalid",
        "component-missing",
        "component-refused",
        "digest-mismatch",
        "clock-out-of-window",
        "tag-missing",
        "key-unknown",
    ] {
        assert!(refusals.contains_key(wall), "{wall}: {refusals:?}");
    }
}
