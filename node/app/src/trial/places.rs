//! Addresses of nodes that share a machine.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
};

use parking_lot::Mutex;

/// Ports of nodes lie below those that the system gives to outgoing connections, so that nobody
/// takes the port of a node while it is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried before the machine is called full.
const PORT_TRIES_MAX: usize = 500;

/// Where a node listens, and is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Its API, over TCP.
    pub api: SocketAddr,
    /// Its mesh, over UDP.
    pub mesh: SocketAddr,
}

impl Addresses {
    /// Free ports of an address of this machine.
    pub fn free(address: IpAddr) -> io::Result<Self> {
        Ok(Self { api: (address, free_port()?).into(), mesh: (address, free_port()?).into() })
    }

    /// The URL of the API.
    pub fn url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// The flags that `lgsp init` and `lgsp join` share, for a node of this name with its data there.
    pub fn flags(&self, name: &str, data: &Path) -> Vec<String> {
        let (mesh, api) = (self.mesh.to_string(), self.api.to_string());
        let flags = [
            ("--name", name.to_owned()),
            ("--data-dir", data.display().to_string()),
            ("--mesh-listen", mesh.clone()),
            ("--mesh-advertise", mesh),
            ("--api-listen", api),
            ("--api-url", self.url()),
        ];
        flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

/// A port that is free now for both TCP and UDP, and that this process gives out once only.
pub fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock();
    let given = given.get_or_insert_default();
    for _ in 0..PORT_TRIES_MAX {
        let port = rand::random_range(PORTS);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if !given.contains(&port)
            && TcpListener::bind(address).is_ok()
            && UdpSocket::bind(address).is_ok()
        {
            given.insert(port);
            return Ok(port);
        }
    }
    let what = format!("no free port from {} to {}", PORTS.start, PORTS.end - 1);
    Err(io::Error::new(io::ErrorKind::AddrInUse, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_twice() {
        let ports: Vec<_> = (0..50).map(|_| free_port().expect("a free port")).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
