//! Who votes, told to the content store.

use std::sync::Arc;

use content::Content;
use machine::View;
use parking_lot::Mutex;

use crate::door::Core;

/// Tells the content store who votes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Voters(Arc<Telling>);

struct Telling {
    core: Core,
    content: Content,
    /// Held by whoever tells.
    telling: Mutex<()>,
}

impl Voters {
    pub(crate) fn new(core: Core, content: Content) -> Self {
        Self(Arc::new(Telling { core, content, telling: Mutex::default() }))
    }

    /// Tells the content store who votes, as the state of this node knows it: a majority of these makes a content
    /// durable. A node that leaves, or was removed, counts no more, even while consensus still lets it go.
    pub(crate) fn tell(&self) {
        let Telling { core, content, telling } = &*self.0;
        // Whoever comes later tells what is newer.
        let _telling = telling.lock();
        let voters = View::new(core.consensus.latest()).members();
        if !voters.is_empty() {
            content.set_members(core.node, &voters);
        }
    }
}
