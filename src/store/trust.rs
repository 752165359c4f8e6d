//! When a payload may be used without checking every byte again.
//!
//! Only while it is the very file that was checked, on the same machine since the same boot: then
//! nothing but a write could have changed it, and a write changes its times. What the index keeps
//! of that is bound to the user's secret, so that whoever can write the folder, and no more, can't
//! have a file of his own pass as checked.
#![allow(clippy::disallowed_methods)]

use super::Store;
use super::files::{Nonce, StoreId};
use crate::digest::Digest;
use crate::format::{Mac, Secret};
use std::fs::File;
use std::io;

/// Tells a record of a check from the seal of a payload, which begins with the store's id.
const CHECKED: &[u8] = b"afml-cache 2026 checked payload";

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

    /// What the index keeps once the file was checked: a seal over the stamp. Without a secret the
    /// stamp as it is, which tells damage and no more.
    #[must_use]
    pub fn record(&self, of: &Of<'_>) -> Option<Vec<u8>> {
        let stamp = self.0.as_deref()?;
        Some(match of.secret {
            Some(secret) => secret.seal(&of.sealed_parts(stamp)).to_vec(),
            None => stamp.to_vec(),
        })
    }

    /// How far a file can be used as it is, by what the index keeps of its last check.
    #[must_use]
    pub fn trust(&self, of: &Of<'_>, recorded: Option<&[u8]>) -> Trust {
        let (Some(stamp), Some(recorded)) = (self.0.as_deref(), recorded) else {
            return Trust::Unchecked;
        };
        match (of.secret, <&Mac>::try_from(recorded)) {
            (Some(secret), Ok(mac)) if secret.is_sealed(&of.sealed_parts(stamp), mac) => {
                Trust::Sound
            }
            (None, _) if recorded == stamp => Trust::Whole,
            _ => Trust::Unchecked,
        }
    }
}

/// Whose check is recorded, and of which payload.
#[derive(Debug)]
pub struct Of<'a> {
    /// The user's secret.
    pub secret: Option<&'a Secret>,
    /// The store that the payload is in.
    pub store: StoreId,
    /// The key that it answers.
    pub key: Digest,
    /// Which of its files it is.
    pub nonce: Nonce,
}

impl Of<'_> {
    fn sealed_parts<'a>(&'a self, stamp: &'a [u8]) -> [&'a [u8]; 5] {
        [CHECKED, &self.store, &self.key.0, &self.nonce, stamp]
    }
}

/// How far a payload can be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Not at all.
    Unchecked,
    /// Its leaves are those that were checked, unless somebody forged that.
    Whole,
    /// It is one that we checked in full, and decoded.
    Sound,
}

/// That a payload passed its checks, which it need not pass again once it has decoded too.
#[derive(Debug)]
pub struct Checked {
    pub(super) key: Digest,
    pub(super) nonce: Nonce,
    pub(super) record: Vec<u8>,
}

impl Store {
    /// Notes that a payload has decoded, after all other checks. Before that, a payload whose checks
    /// are right and whose content is not would pass as sound the next time.
    pub fn note_checked(&self, checked: &Checked) {
        // The next load checks again where this is not noted.
        let _ =
            self.change(|index| index.stamp(checked.key, checked.nonce, checked.record.as_slice()));
    }

    /// Whose checks of a payload count here.
    pub(super) fn check_of(&self, key: Digest, nonce: Nonce) -> Of<'_> {
        Of {
            secret: self.secret.as_ref(),
            store: self.id,
            key,
            nonce,
        }
    }

    /// What the index keeps of a file that was written just now, by us.
    pub(super) fn record_of_written(
        &self,
        key: Digest,
        nonce: Nonce,
        stamp: &Stamp,
    ) -> Option<Vec<u8>> {
        stamp.record(&self.check_of(key, nonce))
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::{Of, Stamp, Trust};
    use crate::digest::Digest;
    use crate::format::Secret;
    use std::io::Write;

    fn of(secret: Option<&Secret>) -> Of<'_> {
        Of {
            secret,
            store: [1; 16],
            key: Digest([2; 16]),
            nonce: [3; 8],
        }
    }

    fn trust(stamp: &Stamp, of: &Of<'_>, recorded: &[u8]) -> Trust {
        stamp.trust(of, Some(recorded))
    }

    #[test]
    fn a_record_holds_for_one_file_of_one_entry_and_secret() {
        let (ours, other) = (
            Secret::new(&[7; 32]).unwrap(),
            Secret::new(&[8; 32]).unwrap(),
        );
        let mut file = tempfile::tempfile().unwrap();
        let stamp = Stamp::of(&file).unwrap();
        let of_ours = of(Some(&ours));
        let Some(record) = stamp.record(&of_ours) else {
            return; // the boot is not known here
        };
        assert_eq!(trust(&stamp, &of_ours, &record), Trust::Sound);
        let elsewhere = [
            Of {
                store: [9; 16],
                ..of(Some(&ours))
            },
            Of {
                key: Digest([9; 16]),
                ..of(Some(&ours))
            },
            Of {
                nonce: [9; 8],
                ..of(Some(&ours))
            },
            of(Some(&other)),
            of(None),
        ];
        for elsewhere in elsewhere {
            assert_eq!(trust(&stamp, &elsewhere, &record), Trust::Unchecked);
        }
        file.write_all(b"changed").unwrap();
        let changed = Stamp::of(&file).unwrap();
        assert_eq!(trust(&changed, &of_ours, &record), Trust::Unchecked);
    }

    #[test]
    fn without_a_secret_a_record_says_nothing_of_what_decodes() {
        let ours = Secret::new(&[7; 32]).unwrap();
        let stamp = Stamp::of(&tempfile::tempfile().unwrap()).unwrap();
        let Some(record) = stamp.record(&of(None)) else {
            return; // the boot is not known here
        };
        assert_eq!(trust(&stamp, &of(None), &record), Trust::Whole);
        assert_eq!(trust(&stamp, &of(Some(&ours)), &record), Trust::Unchecked);
    }
}
