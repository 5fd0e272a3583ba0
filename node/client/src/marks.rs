//! Which packet a file holds, written on the file itself: an attribute that goes where it goes.
//!
//! Where a file system keeps no attributes, a packet that is received again lies in two files: one too many, and
//! never one too few.

use model::PacketId;
use tokio::fs::File;

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
const PACKET: &str = "user.lgsp.packet";

/// Marks a file with its packet, where that can be done.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn mark(file: &File, packet: PacketId) {
    let (packet, flags) = (packet.to_string(), rustix::fs::XattrFlags::empty());
    rustix::fs::fsetxattr(file, PACKET, packet.as_bytes(), flags).ok();
}

/// Whether a file is marked with this packet.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn is_marked(file: &File, packet: PacketId) -> bool {
    let mut mark = [0; 64];
    rustix::fs::fgetxattr(file, PACKET, &mut mark[..])
        .is_ok_and(|size| mark[..size] == *packet.to_string().as_bytes())
}

/// Elsewhere files have no such attributes.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn mark(_: &File, _: PacketId) {}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn is_marked(_: &File, _: PacketId) -> bool {
    false
}
