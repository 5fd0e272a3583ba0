//! What stands on the disk of the Raft library's own values. The library is an alpha, and its types may move:
//! they are taken apart here, and their octets are ours.

pub(crate) mod v1;
