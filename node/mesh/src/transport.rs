//! QUIC settings and the UDP socket, with the reason for each number.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use quinn::{
    AckFrequencyConfig, ClientConfig, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Error, Identity, yielding::YieldingConfig};

/// Bulk transfers that a peer may have open at once: one for each content that it writes at once. The
/// program, which knows both numbers, checks that this one is not the smaller.
pub const TRANSFERS_MAX: u32 = 128;
/// Lanes beside them: two on the busiest connection, and room for transfers that are closing while
/// others open in their places.
const LANES_MAX: u32 = 8;
/// Streams that a peer may hold open on one connection.
const STREAMS_MAX: u32 = TRANSFERS_MAX + LANES_MAX;
/// What one stream may have on its way: enough for a LAN, little enough for a thousand transfers.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Every stream's window, the lanes' too: bulk that nobody reads never blocks a lane.
const CONNECTION_WINDOW: u32 = STREAMS_MAX * STREAM_WINDOW;
/// Sent and not yet acknowledged on a connection; a larger one only fills the peer's socket.
pub(crate) const SEND_WINDOW: u64 = 4 * 1024 * 1024;
/// The system's default of about 200 KiB loses packets under load. Best effort: it has a ceiling.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// The largest packet that is tried on a path, for networks with jumbo frames; the discovery
/// settles for less where there are none. A large packet costs little more than a small one, so
/// contents travel with less work. quinn 0.11 hands ten of them to the system in one call; where
/// they are more than 65,507 octets the system refuses the call, quinn passes over it, and all ten
/// are lost. `mesh/tests/exchange.rs` notices.
const PACKET_MAX: u16 = 6_500;
/// Silence before a packet shows that the peer is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Silence that ends a connection: three keep-alives may be lost.
const IDLE_MAX: u32 = 10_000;
/// The first guess of the round trip. A lost first packet is repeated after three of them, so a
/// node that has just come up is found quickly; the real value is learnt with the first answer.
const FIRST_RTT: Duration = Duration::from_millis(30);
/// How long a peer may hold back an acknowledgement. What is lost at the end of a message is repeated
/// after a round trip and this, instead of the 25 ms that are usual on the way around the world; an answer
/// mostly comes sooner and carries the acknowledgement along. See decision 0012.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// Connections that wait for our accept loop; a flood beyond is refused by a small packet.
const INCOMING_MAX: usize = 256;
/// Datagrams kept for one connection that waits, and for all of them.
const INCOMING_BUFFER: u64 = 16 * 1024;
const INCOMING_BUFFER_ALL: u64 = 1024 * 1024;

fn transport() -> TransportConfig {
    let (mut config, mut discovery) = (TransportConfig::default(), MtuDiscoveryConfig::default());
    let mut acks = AckFrequencyConfig::default();
    acks.max_ack_delay(Some(ACK_DELAY));
    discovery.upper_bound(PACKET_MAX);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .mtu_discovery_config(Some(discovery))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MAX))))
        .initial_rtt(FIRST_RTT)
        .ack_frequency_config(Some(acks));
    config
}

/// The same for what yields: contents, and answers, of which only contents are large.
fn yielding() -> Arc<TransportConfig> {
    let mut config = transport();
    config.congestion_controller_factory(Arc::new(YieldingConfig::default()));
    Arc::new(config)
}

pub(crate) fn server_config(identity: &Identity) -> Result<ServerConfig, Error> {
    let tls = QuicServerConfig::try_from(identity.server.clone()).map_err(Error::Tls)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(yielding())
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER_ALL)
        .migration(false);
    Ok(config)
}

/// How a node dials: for Raft and control, and for content.
#[derive(Clone)]
pub(crate) struct ClientConfigs {
    pub control: ClientConfig,
    pub content: ClientConfig,
}

pub(crate) fn client_configs(identity: &Identity) -> Result<ClientConfigs, Error> {
    let tls = QuicClientConfig::try_from(identity.client.clone()).map_err(Error::Tls)?;
    let tls = Arc::new(tls);
    let config = |transport| {
        let mut config = ClientConfig::new(tls.clone());
        config.transport_config(transport);
        config
    };
    Ok(ClientConfigs { control: config(Arc::new(transport())), content: config(yielding()) })
}

pub(crate) fn endpoint(listen: SocketAddr, identity: &Identity) -> Result<Endpoint, Error> {
    let server = server_config(identity)?;
    let socket = socket(listen).map_err(Error::Bind)?;
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(PACKET_MAX).expect("a size between the bounds");
    Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime)).map_err(Error::Bind)
}

fn socket(listen: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    // The system may grant less; the mesh works with what it gets.
    socket.set_recv_buffer_size(SOCKET_BUFFER).ok();
    socket.set_send_buffer_size(SOCKET_BUFFER).ok();
    if listen.is_ipv6() && listen.ip().is_unspecified() {
        // Open to both families, whatever the system's default says.
        socket.set_only_v6(false)?;
    }
    socket.bind(&listen.into())?;
    Ok(socket.into())
}
