//! temporary
extern crate lgsp_consensus as consensus;
use bytes::Bytes;
use consensus::*;
use futures_util::future::BoxFuture;
use machine::*;
use model::*;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
#[derive(Clone, Default)]
struct W(Arc<Mutex<BTreeMap<NodeId, Consensus>>>);
struct S(NodeId, W);
impl Network for S {
    fn request(
        &self,
        to: NodeId,
        _l: Lane,
        m: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let (f, w) = (self.0, self.1.clone());
        Box::pin(async move {
            let p = w.0.lock().get(&to).cloned().ok_or(NetworkError::Unreachable("x".into()))?;
            Ok(tokio::spawn(async move { p.handle(f, m).await }).await.unwrap())
        })
    }
}
fn cmd(n: u128) -> Proposal {
    Proposal {
        id: CommandId(1_000_000 + n),
        proof: None,
        command: Command::UpdateNode(UpdateNode {
            node: NodeId(1),
            now: NewNode {
                name: "nut-1".parse().unwrap(),
                mesh_address: "x".repeat(600),
                api_url: "b".into(),
                version: n.to_string(),
            },
        }),
    }
}
fn main() {
    let rt =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let dir = std::path::PathBuf::from("/work/.load-cons");
        let _ = std::fs::remove_dir_all(&dir);
        let w = W::default();
        let mut nodes = vec![];
        for i in 1..=3u64 {
            let o = Options::new(NodeId(i), dir.join(i.to_string()));
            let c = Consensus::start(o, Arc::new(S(NodeId(i), w.clone())), Arc::new(SystemClock))
                .await
                .unwrap();
            w.0.lock().insert(NodeId(i), c.clone());
            if i == 1 {
                c.found(cmd(0)).await.unwrap().ok();
            } else {
                nodes[0] = {
                    let n: &Consensus = &nodes[0];
                    n.admit(NodeId(i)).await.unwrap();
                    n.clone()
                };
            }
            nodes.push(c);
        }
        let next = Arc::new(AtomicU64::new(1));
        for (who, conc) in [(0usize, 1usize), (1, 1), (3, 1), (0, 16), (3, 16), (3, 64), (3, 256)] {
            let end = Instant::now() + Duration::from_secs(4);
            let mut hs = vec![];
            for t in 0..conc {
                let n = nodes[if who == 3 { t % 3 } else { who }].clone();
                let next = next.clone();
                hs.push(tokio::spawn(async move {
                    let mut l = vec![];
                    while Instant::now() < end {
                        let b = Instant::now();
                        n.propose(cmd(next.fetch_add(1, Ordering::Relaxed) as u128))
                            .await
                            .unwrap()
                            .ok();
                        l.push(b.elapsed());
                    }
                    l
                }));
            }
            let mut l = vec![];
            for h in hs {
                l.extend(h.await.unwrap());
            }
            l.sort();
            println!(
                "who={who} conc={conc}: {}/s p50={:?} p99={:?}",
                l.len() / 4,
                l[l.len() / 2],
                l[l.len() * 99 / 100]
            );
        }
        println!(
            "{:?} load {}",
            nodes[0].status().last_log,
            std::fs::read_to_string("/proc/loadavg").unwrap()
        );
        println!(
            "{}",
            std::fs::read_to_string("/proc/self/status")
                .unwrap()
                .lines()
                .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
                .collect::<Vec<_>>()
                .join(" ")
        );
        let t0 = std::fs::read_to_string("/proc/self/stat").unwrap();
        tokio::time::sleep(Duration::from_secs(8)).await;
        let t1 = std::fs::read_to_string("/proc/self/stat").unwrap();
        let cpu = |s: &str| {
            let f: Vec<_> = s.split_whitespace().collect();
            f[13].parse::<u64>().unwrap() + f[14].parse::<u64>().unwrap()
        };
        println!("idle cpu of three nodes in 8 s: {} ticks of 10 ms", cpu(&t1) - cpu(&t0));
    });
}
