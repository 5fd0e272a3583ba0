//! The canary: after the purge no octet of a content, its name, its key or its ciphertext is left
//! in any file of any node, also not of one that was down when the packet was confirmed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lgsp_tests::{
    harness::{
        Cluster, Found, NodeProcess, Party, Program, Searched, digest_of, eventually, forms_of,
        search,
    },
    wire::{Conn, Request},
};
use model::{PacketId, SpaceId};
use rand::Rng;
use serde_json::json;

/// Octets of a sample of ciphertext: long enough not to occur twice by chance.
const SAMPLE: usize = 32;
/// Samples of one content on one node; the search takes as long whatever their number.
const SAMPLES_MAX: usize = 400;
/// What a node seals content keys for, and what the store does, before the slot's owner.
const NODE_PURPOSE: &[u8] = b"lgsp/content-slot/v1/";
const SLOT_PURPOSE: &[u8] = b"lgsp content slot v1";
/// Octets of a record's head, and where records may begin in a segment.
const RECORD_HEAD: usize = 128;
const RECORD_ALIGN: usize = 64;
/// How long purges may take, also those of a node that has just come back.
const PURGE_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_content_stays() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    canary(&mut cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn canary(cluster: &mut Cluster) -> Result<()> {
    let source = cluster.party("H41.60", &["send"]).await?;
    let target = cluster.party("H41.61", &["receive"]).await?;
    let mark = format!("{:032x}", rand::random::<u128>());
    let text = format!("CHIM HOANG YEN {mark} ket thuc.");
    let name = format!("to-trinh-mat-{mark}.pdf");
    let title = format!("cong-khai-{mark}");

    // A small content in a segment, with its name, and a large one in a file of its own.
    let small = text.repeat(20).into_bytes();
    let large = text.repeat((3 << 20) / text.len()).into_bytes();
    let before = contents(cluster)?;
    let first = submit(cluster, &source, &target, &title, &name, &small).await?;
    let second = upload(cluster, &source, &target, &title, &large).await?;
    for packet in [&first, &second] {
        held_by_all(cluster, &source, packet).await?;
    }
    let after = contents(cluster)?;
    let mut cipher = samples(&before, &after);
    // Identifiers and digests stand beside the ciphertext, and are record: they stay.
    let mut record = Vec::new();
    let (mut keys, mut slots) = (Vec::new(), Vec::new());
    for (packet, content) in [(&first, &small), (&second, &large)] {
        let space = source.packet(&cluster.endpoint(0), packet).await?.success()?.text("/space");
        let space: SpaceId = space.parse()?;
        record.push(packet.parse::<PacketId>()?.to_bytes().to_vec());
        record.push(space.to_bytes().to_vec());
        record.push(hex::decode(digest_of(content))?);
        let before = slots.len();
        for node in &cluster.nodes {
            if let Some((key, slot)) = unsealed(node, space, &after)? {
                keys.extend(forms_of(&format!("key of {space}"), &key));
                slots.push((format!("slot of {space}"), slot));
            }
        }
        ensure!(slots.len() >= before + 2, "a majority holds the key of {space} in a slot");
    }
    // Every holder has the same slot, and a needle is searched for once.
    keys.sort();
    keys.dedup();
    slots.dedup();
    cipher.retain(|(_, sample)| !record.iter().any(|known| overlap(sample, known)));
    ensure!(cipher.len() >= 50, "the contents are on the disks: {} samples", cipher.len());

    let mut needles = forms_of("content", text.as_bytes());
    needles.extend(forms_of("file name", name.as_bytes()));
    // The key itself never lies anywhere, not even while its slot does.
    needles.extend(keys);
    let Searched { found, octets: read, .. } = search(cluster.root(), &needles)?;
    ensure!(found.is_empty(), "plain already while it is held: {found:?}");
    // The search itself is tested: the title is record, and stands in the state of every node.
    let Searched { found, .. } =
        search(cluster.root(), &[("title".into(), title.as_bytes().to_vec())])?;
    for node in &cluster.nodes {
        ensure!(
            found.iter().any(|f| f.file.starts_with(&node.data)),
            "the title is in the state of {}",
            node.name
        );
    }
    let Searched { found, .. } = search(cluster.root(), &cipher)?;
    ensure!(!found.is_empty(), "the samples of ciphertext are found while the content is held");
    in_stores_alone(cluster, &found)?;
    for slot in &slots {
        let Searched { found, .. } = search(cluster.root(), std::slice::from_ref(slot))?;
        ensure!(found.len() >= 2, "the {} is found while the content is held", slot.0);
        in_stores_alone(cluster, &found)?;
    }
    // The search reads the logs: what the small one asked for stands there, beside what rode with it.
    for node in &cluster.nodes {
        let log = node.data.join("consensus").join("log");
        let Searched { found, octets: read, .. } =
            search(&log, &[("title".into(), title.as_bytes().to_vec())])?;
        ensure!(!found.is_empty(), "{read} octets of log without the title in {}", node.name);
    }
    eprintln!("canary: {read} octets searched, {} samples of ciphertext", cipher.len());

    // One node is down while the target takes and confirms.
    let absent = cluster.follower().await?;
    cluster.nodes[absent].kill()?;
    let at = cluster.endpoint((absent + 1) % 3);
    for (packet, content) in [(&first, &small), (&second, &large)] {
        ensure!(target.receive(&at, packet).await? == *content, "the target got what was sent");
    }
    for packet in [&first, &second] {
        debtors(&source, &at, packet, 1).await.context("the absent node owes its purge")?;
    }
    needles.extend(cipher);
    needles.extend(slots);
    for (index, node) in cluster.nodes.iter().enumerate() {
        if index != absent {
            // Beside its data lies what it wrote to its log.
            nothing_in(node.data.parent().unwrap_or(&node.data), &needles)
                .with_context(|| format!("{} has forgotten", node.name))?;
        }
    }
    cluster.restart(absent).await?;
    for packet in [&first, &second] {
        debtors(&source, &at, packet, 0).await.context("the node that came back has paid")?;
    }
    nothing_in(cluster.root(), &needles).context("all nodes, running")?;
    for node in &mut cluster.nodes {
        node.stop().await?;
    }
    nothing_in(cluster.root(), &needles).context("all nodes, stopped")?;
    for node in &mut cluster.nodes {
        node.start()?;
    }
    cluster.whole().await?;
    nothing_in(cluster.root(), &needles).context("all nodes, started again")?;
    let answer = target.packet(&cluster.endpoint(absent), &first).await?.success()?;
    ensure!(
        answer.text("/digest") == digest_of(&small),
        "the record outlives the content: {}",
        answer.summary()
    );
    Ok(())
}

async fn submit(
    cluster: &Cluster,
    source: &Party,
    target: &Party,
    title: &str,
    name: &str,
    content: &[u8],
) -> Result<String> {
    let request = Party::submission(&[&target.unit], title, name, content, "");
    Ok(cluster.call(0, &source.key, request).await?.success()?.text("/packet"))
}

async fn upload(
    cluster: &Cluster,
    source: &Party,
    target: &Party,
    title: &str,
    content: &[u8],
) -> Result<String> {
    let at = cluster.endpoint(1);
    let size = content.len() as u64;
    let (packet, space, token) = source.open(&at, &[&target.unit], title, Some(size)).await?;
    let request = Party::patch(&space, &token, 0, Bytes::copy_from_slice(content));
    Conn::new(&at).call(&request).await?.success()?;
    source.commit(&at, &packet, size, &digest_of(content)).await?.success()?;
    Ok(packet)
}

async fn held_by_all(cluster: &Cluster, source: &Party, packet: &str) -> Result<()> {
    eventually("all three nodes hold the content", PURGE_TIME_MAX, async || {
        let answer = source.packet(&cluster.endpoint(0), packet).await.ok()?;
        // Holders are those of the seal; a third node that caught up later is asked for its count.
        let status = cluster.status(0).await?;
        let all = status["nodes"]
            .as_array()?
            .iter()
            .all(|node| node["contents"].as_u64().unwrap_or(0) >= 1);
        (answer.is_success() && all).then_some(())
    })
    .await
}

/// Waits until so many nodes owe the purge of a packet.
async fn debtors(
    source: &Party,
    at: &std::sync::Arc<lgsp_tests::wire::Endpoint>,
    packet: &str,
    count: usize,
) -> Result<()> {
    let mut last = json!(null);
    eventually(&format!("{count} nodes owe a purge"), PURGE_TIME_MAX, async || {
        let request = Request::get(format!("/v1/packets/{packet}"));
        let answer = Conn::new(at).call(&source.key.sign(&at.authority, request)).await.ok()?;
        last = answer.json();
        let debt = last["purge_debt"].as_array()?.len();
        (debt == count && last["purged"].as_array()?.len() >= 2).then_some(())
    })
    .await
    .with_context(|| format!("last seen: {last}"))
}

/// What is sealed lies where a purge reaches it, and nowhere else, not for a moment: neither log nor state has it.
fn in_stores_alone(cluster: &Cluster, found: &[Found]) -> Result<()> {
    let is_stored =
        |file: &Path| cluster.nodes.iter().any(|node| file.starts_with(node.data.join("content")));
    let astray: Vec<_> = found.iter().filter(|found| !is_stored(&found.file)).collect();
    ensure!(astray.is_empty(), "sealed octets lie outside the stores of contents: {astray:?}");
    Ok(())
}

fn nothing_in(root: &Path, needles: &[(String, Vec<u8>)]) -> Result<()> {
    let Searched { found, octets: read, .. } = search(root, needles)?;
    ensure!(read > 10_000, "only {read} octets were searched");
    ensure!(
        found.is_empty(),
        "found in {} places, the first: {:?}",
        found.len(),
        &found[..found.len().min(5)]
    );
    Ok(())
}

/// All files of the nodes' content stores.
fn contents(cluster: &Cluster) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut open: Vec<PathBuf> =
        cluster.nodes.iter().map(|node| node.data.join("content")).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else {
            files.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(files)
}

/// The key of a content and its slot, as a node's store and its cluster key give them away.
fn unsealed(
    node: &NodeProcess,
    space: SpaceId,
    files: &BTreeMap<PathBuf, Vec<u8>>,
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let ring = certs::Keyring::load(&node.data.join("cluster.key"))?;
    let mut own = files.iter().filter(|(path, _)| path.starts_with(&node.data));
    let Some((slot, owner)) = own.find_map(|(_, file)| slot_of(file, space)) else {
        return Ok(None);
    };
    let key = ring
        .open(&[NODE_PURPOSE, SLOT_PURPOSE, &owner].concat(), &slot)
        .with_context(|| format!("the slot of {space} on {}", node.name))?;
    ensure!(key.len() == 32, "a content key has 256 bits, this one {} octets", key.len());
    Ok(Some((key.to_vec(), slot)))
}

/// The slot of a space in a file of the store, and whose it is: of a small content size and digest
/// are bound to it, of a large one not. The forms are those of `content/src/record.rs`, version 1.
fn slot_of(file: &[u8], space: SpaceId) -> Option<(Vec<u8>, Vec<u8>)> {
    let space = space.to_bytes();
    let slot_len = |form: &[u8]| usize::from(u16::from_be_bytes([form[6], form[7]]));
    if file.starts_with(b"LGSF") && file.len() > 512 {
        let owner = [&[0][..], &file[8..48], &[0; 40]].concat();
        let is_it = file[8..24] == space;
        return is_it
            .then(|| file.get(48..48 + slot_len(file)))
            .flatten()
            .map(|slot| (slot.to_vec(), owner));
    }
    let at = (0..file.len().saturating_sub(RECORD_HEAD)).step_by(RECORD_ALIGN).find(|&at| {
        let head = &file[at..at + RECORD_HEAD];
        head.starts_with(b"LGRC") && head[5] == 1 && head[16..32] == space
    })?;
    let record = &file[at..];
    let slot = record.get(RECORD_HEAD..RECORD_HEAD + slot_len(record))?.to_vec();
    Some((slot, [&[1][..], &record[16..96]].concat()))
}

/// What was written into the stores meanwhile, as samples that look random: ciphertext and slots.
fn samples(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for (path, now) in after {
        let was = before.get(path).map(Vec::as_slice).unwrap_or_default();
        let changed: Vec<usize> = (0..now.len() / SAMPLE)
            .map(|index| index * SAMPLE)
            .filter(|&at| {
                was.get(at..at + SAMPLE) != Some(&now[at..at + SAMPLE])
                    && looks_random(&now[at..at + SAMPLE])
            })
            .collect();
        // Evenly over the file; of a small change, everything.
        let step = changed.len().div_ceil(SAMPLES_MAX).max(1);
        for at in changed.into_iter().step_by(step) {
            samples.push((format!("{} at {at}", path.display()), now[at..at + SAMPLE].to_vec()));
        }
    }
    samples
}

/// Whether a sample holds a good part of something known.
fn overlap(sample: &[u8], known: &[u8]) -> bool {
    known.windows(8).any(|part| sample.windows(8).any(|window| window == part))
}

fn looks_random(octets: &[u8]) -> bool {
    let mut seen = [false; 256];
    octets.iter().for_each(|octet| seen[usize::from(*octet)] = true);
    seen.iter().filter(|seen| **seen).count() >= 24
}

#[test]
fn zeros_and_text_do_not_look_random() {
    let mut random = [0; SAMPLE];
    for (index, octet) in random.iter_mut().enumerate() {
        *octet = (index * 37 + 11) as u8;
    }
    assert!(looks_random(&random) && !looks_random(&[0; SAMPLE]));
    let mut drawn = [0; 4096];
    rand::rng().fill_bytes(&mut drawn);
    assert!(drawn.chunks_exact(SAMPLE).filter(|sample| looks_random(sample)).count() > 100);
}
