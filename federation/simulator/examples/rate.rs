//! How many documents a second are sent and listed over sixteen connections: `--release --example rate [rounds]`.
//!
//! The client shares the machine with the simulator, so what is measured is both.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lgsp_simulator::{Settings, Simulator, System};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Barrier,
};
use wire::{
    edxml::hash_file,
    vxp::{
        Acknowledgement, Answer, Call, Code, Listed, MessageType, Nothing, Opaque, Received,
        Request, Secret, Sending, ServiceType, Waiting,
    },
};

const CONNECTIONS: usize = 16;
/// Documents that are sent before they are listed and called done.
const BATCH: usize = 50;
const DOCUMENT: &str = include_str!("../../wire/tests/vectors/edxml/document-new.edxml");

struct Connection {
    stream: TcpStream,
    system: Code,
    secret: Secret,
    heard: Vec<u8>,
}

impl Connection {
    async fn call(&mut self, call: Call, document: &[u8]) -> Result<Vec<u8>> {
        let at = model::Moment(1_795_915_815_000);
        let request = Request { system: self.system.clone(), at, call, extra: Vec::new() };
        let built = request.build(&self.secret)?;
        let mut text = format!("POST /{} HTTP/1.1\r\nHost: national\r\n", built.endpoint.name());
        for header in &built.headers {
            text.push_str(&format!("{}: {}\r\n", header.name(), header.value()));
        }
        let body = if document.is_empty() { &built.body } else { document };
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut octets = text.into_bytes();
        octets.extend_from_slice(body);
        self.stream.write_all(&octets).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Vec<u8>> {
        self.heard.clear();
        loop {
            let read = self.stream.read_buf(&mut self.heard).await?;
            ensure!(read > 0, "the connection ended");
            let Some(end) = self.heard.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.heard[..end])?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.context("a length")?.parse::<usize>()?;
            if self.heard.len() >= whole {
                return Ok(self.heard[end + 4..whole].to_vec());
            }
        }
    }

    /// Sends to itself and lists, in rounds that all connections begin together; what was listed is called done
    /// between the rounds. Answers how long the rounds took.
    async fn work(mut self, rounds: usize, barrier: Arc<Barrier>) -> Result<Duration> {
        let code = self.system.as_str();
        let document = DOCUMENT.replace("H41.08<", &format!("{code}<"));
        let document = document.replace("H41.101<", &format!("{code}<"));
        let document = document.replace("H41.230<", &format!("{code}<"));
        let sha256: [u8; 32] = Sha256::digest(&document).into();
        let hash_file = Opaque::parse(&hash_file::unpadded(&sha256)).context("a hash")?;
        let (service, kind) = (ServiceType::Document, MessageType::Document);
        let from = self.system.clone();
        let sending = Sending { service, kind, hash_file, from, to: None };
        let waiting = Waiting::all(service, kind);
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            barrier.wait().await;
            let began = Instant::now();
            for _ in 0..BATCH {
                let body = self.call(Call::SendEdoc(sending.clone()), document.as_bytes()).await?;
                ensure!(
                    body.starts_with(b"{\"status\":\"OK\""),
                    "{}",
                    String::from_utf8_lossy(&body)
                );
            }
            let body = self.call(Call::ReceivedEdocList(waiting.clone()), b"").await?;
            let Answer::Done(_, Listed { rows }) = Answer::<Listed<Received>>::read(200, &body)?
            else {
                anyhow::bail!("the list was refused");
            };
            ensure!(rows.len() == BATCH, "{} were listed", rows.len());
            barrier.wait().await;
            took += began.elapsed();
            for row in &rows {
                let id = Opaque::parse(&row.document).context("an identifier")?;
                let body = self.call(Call::UpdateStatus(id, Acknowledgement::Done), b"").await?;
                ensure!(matches!(Answer::<Nothing>::read(200, &body)?, Answer::Done(..)));
            }
        }
        Ok(took)
    }
}

async fn connect(address: SocketAddr, system: &System, secret: Secret) -> Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Connection { stream, system: system.code.clone(), secret, heard: Vec::new() })
}

#[tokio::main]
async fn main() -> Result<()> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(20), |text| text.parse())?;
    let systems = (101..101 + CONNECTIONS).map(|number| {
        let code = Code::parse(&format!("H41.{number}")).context("a code")?;
        Ok(System { code, secret: None })
    });
    let systems: Vec<_> = systems.collect::<Result<_>>()?;
    let running = Simulator::start(Settings { systems: systems.clone(), ..Settings::default() });
    let running = Arc::new(running.await?);
    let barrier = Arc::new(Barrier::new(CONNECTIONS));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for system in &systems {
        let secret = running.settings().secret_of(system.code.as_str());
        let connection = connect(running.address(), system, secret).await?;
        tasks.push(tokio::spawn(connection.work(rounds, barrier.clone())));
    }
    let mut took = Duration::ZERO;
    for task in tasks {
        took = took.max(task.await??);
    }
    let documents = u64::try_from(rounds * BATCH * CONNECTIONS)?;
    let per_second = |span: Duration| {
        Ok::<_, anyhow::Error>(documents * 1000 / u64::try_from(span.as_millis())?.max(1))
    };
    println!(
        "{} documents a second were sent and listed over {CONNECTIONS} connections",
        per_second(took)?
    );
    println!("{} a second with the call that each is done", per_second(began.elapsed())?);
    Ok(())
}
