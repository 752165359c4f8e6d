//! When a payload may be used without checking every byte again.
//!
//! Only while it is the very file that was checked, on the same machine since the same boot: then
//! nothing but a write could have changed it, and a write changes its times.
#![allow(clippy::disallowed_methods)]

use crate::digest::Digest;
use std::fs::File;
use std::io;

/// What a file looked like when its content was last known to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Option<Vec<u8>>);

impl Stamp {
    /// The stamp of an open file; one that never compares as trusted where the boot is unknown.
    ///
    /// # Errors
    /// The file can't be looked at.
    pub fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self(boot().and_then(|boot| identity(boot, &found))))
    }

    /// What the index keeps.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }

    /// Whether this is the file, unchanged, that the recorded stamp was taken of.
    #[must_use]
    pub fn is(&self, recorded: Option<&[u8]>) -> bool {
        self.0.is_some() && self.bytes() == recorded
    }
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps)] // other platforms have none
fn identity(boot: Digest, found: &std::fs::Metadata) -> Option<Vec<u8>> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = boot.0.to_vec();
    for number in [found.dev(), found.ino(), found.size()] {
        bytes.extend(number.to_le_bytes());
    }
    for time in [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ] {
        bytes.extend(time.to_le_bytes());
    }
    Some(bytes)
}

#[cfg(not(unix))]
fn identity(_: Digest, _: &std::fs::Metadata) -> Option<Vec<u8>> {
    None
}

/// Names this machine since its last boot.
fn boot() -> Option<Digest> {
    static BOOT: std::sync::OnceLock<Option<Digest>> = std::sync::OnceLock::new();
    *BOOT.get_or_init(|| {
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        // Where the machine has no name, that of its boot is one.
        let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
        Some(Digest::of(&[machine, boot].concat()))
    })
}
