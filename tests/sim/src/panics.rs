//! Panics, of whatever task: the runtime keeps the panic of a task to itself, and a cluster of three
//! goes on without one of them. Here each is written down, and each breaks a promise.

use parking_lot::Mutex;

/// Panics that are kept; one is enough to fail.
const SEEN_MAX: usize = 10;

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes every panic of this process down from now on; it is printed as usual, too.
pub fn watch() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("without a word");
        let mut seen = SEEN.lock();
        if seen.len() < SEEN_MAX {
            seen.push(format!("a task panicked{place}: {what}"));
        }
        drop(seen);
        usual(info);
    }));
}

/// The panics so far.
pub fn seen() -> Vec<String> {
    SEEN.lock().clone()
}
