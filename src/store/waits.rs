//! Who waits for whom: a wait that would close a circle is not begun.
//!
//! A computation that holds the lock of a key and waits for another one's is an edge. The edges of
//! this process are kept here, those of others stand in the files of the locks.

use super::files::{Lease, waits_of};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A computation under way: the lock that it holds, if it could be had. Whatever the computation
/// calls knows of it, and may do so for longer than it takes.
#[derive(Debug)]
pub struct Holding {
    path: PathBuf,
    lease: Mutex<Option<Lease>>,
    over: AtomicBool,
}

impl Holding {
    /// A computation of the key whose lock lies there.
    #[must_use]
    pub fn new(path: PathBuf, lease: Option<Lease>) -> Self {
        Self {
            path,
            lease: Mutex::new(lease),
            over: AtomicBool::new(false),
        }
    }

    /// Whether it is the computation of that lock's key, and not over.
    #[must_use]
    pub fn is_of(&self, path: &Path) -> bool {
        !self.over.load(Ordering::Acquire) && self.path == path
    }

    /// The computation is over, and its lock falls.
    pub fn end(&self, stored: bool) {
        self.over.store(true, Ordering::Release);
        let lease = self.lease().take();
        if let Some(lease) = &lease
            && !stored
        {
            lease.tell_not_stored();
        }
        drop(lease);
    }

    fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static WAITS: Mutex<Option<HashMap<PathBuf, Vec<PathBuf>>>> = Mutex::new(None);

fn waits() -> MutexGuard<'static, Option<HashMap<PathBuf, Vec<PathBuf>>>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait that others can see, until it is dropped.
#[derive(Debug)]
pub struct Wait {
    holding: Vec<Arc<Holding>>,
    target: PathBuf,
}

impl Wait {
    /// Makes known that whoever holds these locks waits for another one.
    #[must_use]
    pub fn begin(holding: Vec<Arc<Holding>>, target: &Path) -> Self {
        let mut edges = waits();
        let edges = edges.get_or_insert_default();
        for held in &holding {
            edges
                .entry(held.path.clone())
                .or_default()
                .push(target.to_path_buf());
            if let Some(lease) = &*held.lease() {
                lease.begin_wait(target);
            }
        }
        Self {
            holding,
            target: target.to_path_buf(),
        }
    }

    /// Whether the one that is waited for waits for this one, by however many others.
    #[must_use]
    pub fn closes_a_circle(&self) -> bool {
        if self.holding.is_empty() {
            return false;
        }
        let mut seen = HashSet::new();
        let mut ahead = vec![self.target.clone()];
        while let Some(path) = ahead.pop() {
            if self.holding.iter().any(|held| held.is_of(&path)) {
                return true;
            }
            if seen.insert(path.clone()) {
                let own = waits().as_ref().and_then(|edges| edges.get(&path).cloned());
                ahead.extend(own.unwrap_or_default());
                ahead.extend(waits_of(&path));
            }
        }
        false
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut edges = waits();
        let Some(edges) = edges.as_mut() else { return };
        for held in &self.holding {
            if let Some(targets) = edges.get_mut(&held.path) {
                if let Some(place) = targets.iter().position(|target| *target == self.target) {
                    targets.swap_remove(place);
                }
                if targets.is_empty() {
                    edges.remove(&held.path);
                }
            }
            if let Some(lease) = &*held.lease() {
                lease.end_wait(&self.target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Holding, Wait};
    use std::path::Path;
    use std::sync::Arc;

    fn holding(paths: &[&str]) -> Vec<Arc<Holding>> {
        let held = |path: &&str| Arc::new(Holding::new(path.into(), None));
        paths.iter().map(held).collect()
    }

    #[test]
    fn a_circle_of_any_length_is_seen() {
        let first = Wait::begin(holding(&["a", "b"]), Path::new("c"));
        assert!(!first.closes_a_circle());
        let second = Wait::begin(holding(&["c"]), Path::new("d"));
        assert!(!second.closes_a_circle());
        let third = Wait::begin(holding(&["d"]), Path::new("b"));
        assert!(third.closes_a_circle());
        drop(second);
        assert!(!third.closes_a_circle());
    }

    #[test]
    fn who_holds_nothing_closes_nothing() {
        let _other = Wait::begin(holding(&["x"]), Path::new("y"));
        assert!(!Wait::begin(Vec::new(), Path::new("x")).closes_a_circle());
    }
}
