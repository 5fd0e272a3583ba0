//! Contents that ride with their entries: the content store as consensus sees it (decision 0019).
//!
//! A content's name on the way is its space, and its octets are the sealed record that every holder writes.

use bytes::Bytes;
use consensus::{Attachment, AttachmentKey, Attachments, Kept, TellKept};
use content::{Content, SealedRecord};
use futures_util::future::BoxFuture;
use model::SpaceId;
use tokio::time::sleep;

/// Between two tries to read a content that is here: descriptors come back, and a busy disk does.
const READ_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// A node's content store, for what rides with entries.
pub struct Riding(pub Content);

/// What rides of a content that is sealed.
pub(crate) fn attachment(record: &SealedRecord) -> Attachment {
    Attachment { key: record.space().to_bytes(), record: record.octets().clone() }
}

fn record_of(attachment: Attachment) -> Option<SealedRecord> {
    let record = SealedRecord::parse(attachment.record)?;
    (record.space().to_bytes() == attachment.key).then_some(record)
}

impl Attachments for Riding {
    fn is_sound(&self, attachment: &Attachment) -> bool {
        record_of(attachment.clone()).is_some()
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn keep(&self, attachments: Vec<Attachment>, tell: TellKept) {
        let records: Option<Vec<_>> = attachments.into_iter().map(record_of).collect();
        match records {
            Some(records) => self.0.keep_sealed(records, move |results| tell(kept(results))),
            None => tell(Kept::Failed("what rides with an entry is no content".into())),
        }
    }

    fn holds(&self, key: AttachmentKey) -> bool {
        self.0.holds(SpaceId::from_bytes(key))
    }

    fn find(&self, key: AttachmentKey) -> BoxFuture<'static, Option<Bytes>> {
        let (content, space) = (self.0.clone(), SpaceId::from_bytes(key));
        Box::pin(async move {
            loop {
                match content.sealed(space).await {
                    Ok(record) => return Some(record.octets().clone()),
                    Err(
                        error @ (content::Error::Missing { .. }
                        | content::Error::Purged { .. }
                        | content::Error::Damaged { .. }),
                    ) => {
                        tracing::debug!(%space, %error, "an entry goes without its content");
                        return None;
                    }
                    // It is here and cannot be read now. Without it the entry could be committed where too few have the
                    // content, so it waits; a store that stays so stops the node.
                    Err(error) => {
                        tracing::warn!(%space, %error, "a content that rides cannot be read yet");
                        sleep(READ_AGAIN).await;
                    }
                }
            }
        })
    }
}

/// What became of all of them: the worst that befell one.
fn kept(results: Vec<Result<(), content::Error>>) -> Kept {
    let mut kept = Kept::Whole;
    for error in results.into_iter().filter_map(Result::err) {
        match error {
            // It was discarded here before it came: nothing names it, or nothing will.
            content::Error::Purged { .. } if kept == Kept::Whole => kept = Kept::Partly,
            content::Error::Exists { space } => {
                tracing::error!(%space, "another content lies here than rides with an entry");
                if kept == Kept::Whole {
                    kept = Kept::Partly;
                }
            }
            content::Error::Purged { .. } => {}
            content::Error::Full | content::Error::TooMany | content::Error::Short { .. } => {
                kept = Kept::NoRoom;
            }
            error => return Kept::Failed(error.to_string()),
        }
    }
    kept
}
