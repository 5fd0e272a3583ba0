//! Runs the simulator until it is interrupted, and says what to type next.
//!
//! `cargo run -p lgsp-simulator --example national -- --port 18089 --seed 7 --fault vxp.sendEdoc=lost-answer:0.1
//! --scene scene.txt --tls`

use anyhow::{Context, Result, bail};
use lgsp_simulator::{Seed, Settings, Simulator, Tls};

fn settings() -> Result<Settings> {
    let mut settings = Settings { port: 18_089, ..Settings::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--tls" {
            settings.tls = Tls::Own;
            continue;
        }
        let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => settings.port = value.parse().context("the port")?,
            "--seed" => settings.seed = Seed(value.parse().context("the seed")?),
            "--fault" => settings.faults.push(value.parse().context("the fault")?),
            "--scene" => {
                let text = std::fs::read_to_string(&value).context("the scene")?;
                settings.scene = Some(text.parse().context("the scene")?);
            }
            other => bail!("{other} is no option; there are --port --seed --fault --scene --tls"),
        }
    }
    Ok(settings)
}

#[tokio::main]
async fn main() -> Result<()> {
    let running = Simulator::start(settings()?).await?;
    println!("{}", running.next_steps());
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
