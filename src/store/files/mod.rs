//! The only module that touches `std::fs`.
//!
//! ```text
//! <root>/                 CACHEDIR.TAG  .gitignore
//!   v1/                   0700; every file 0600
//!     ID                  tells this store from others
//!     CURRENT             the generation of the index in use
//!     index-<n>.sqlite3   rows, each naming a payload or holding a small one
//!     payloads/ab/<key>-<nonce>
//!     tmp/                what is being written; renamed into place when whole
//!     quarantine/         what failed a check, kept for a look
//!     locks/
//! ```
#![allow(clippy::disallowed_methods)]

mod draft;
mod exchange;
mod held;
mod lease;
mod ledger;
mod lock;
mod private;
mod quarantine;
mod room;
mod run_draft;
mod run_log;
mod runs;
mod secret;
mod segments;
mod sweeps;

pub use exchange::{ExportFile, ImportFile};
pub use held::Held;
pub use lease::{Grab, Lease, Seen, Watch, waits_of};
pub use lock::{Shared, wait_for_users};
pub use run_draft::RunDraft;
pub use run_log::{LockedLog, RunLog};
pub use runs::RunFiles;
pub use secret::{hex_bytes, hex_text, secret};
pub use segments::{Cut, SeriesFiles};
pub use sweeps::SweepFiles;

use super::index::Manner;
use super::mapped::Bytes;
use super::trust::Stamp;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::LAYOUT;
use memmap2::{MmapMut, MmapOptions};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
# This folder is a cache made by afml-cache; it can be deleted at any time.\n";

/// No index was ever replaced so often: what names a higher generation is damaged.
pub const HIGHEST: u64 = 1 << 20;

/// What is nobody's, and older than this, was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(60);

/// Tells payload files of one key apart.
pub type Nonce = [u8; 8];
/// Tells stores apart.
pub type StoreId = [u8; 16];

/// The folder of a store, made and checked.
#[derive(Clone, Debug)]
pub struct Root {
    folder: PathBuf,
    network: bool,
    max_size: Option<u64>,
}

impl Root {
    /// Makes the folder tree where it is missing, and refuses one that others may write.
    ///
    /// # Errors
    /// `Refused` for a folder that is not private, `Io` for one that can't be made.
    pub fn prepare(path: &Path, network: Option<bool>, max_size: Option<u64>) -> Result<Self> {
        let made = make_private(path).map_err(|error| {
            Error::caused(
                Kind::Io,
                format!(
                    "the cache folder `{}` can't be made; name another one with \
                     AFML_CACHE or configure(cache_dir=...)",
                    path.display()
                ),
                error,
            )
        })?;
        private::check(path)?;
        refuse_newer(path)?;
        let root = Self {
            folder: path.join(LAYOUT),
            network: network.unwrap_or_else(|| private::is_network(path)),
            max_size,
        };
        for folder in [
            root.folder.clone(),
            root.folder("payloads"),
            root.tmp(),
            root.folder("quarantine"),
            root.folder("locks"),
        ] {
            if folder.is_file() {
                // The name is ours; whatever else stands there can only be damage.
                let _ = fs::remove_file(&folder);
            }
            make_private(&folder).map_err(|error| at(&folder, "can't be made", error))?;
            private::check_inner(&folder)?;
        }
        if made {
            // Tags are a courtesy to backup tools and git; without them the cache works as well.
            let _ = publish(
                &path.join("CACHEDIR.TAG"),
                &root.tmp().join("TAG"),
                TAG.as_bytes(),
            );
            let _ = publish(
                &path.join(".gitignore"),
                &root.tmp().join("gitignore"),
                b"*\n",
            );
        }
        root.sweep_tmp();
        root.sweep_leases();
        Ok(root)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether the folder is on a network file system: mappings, and memory that processes share,
    /// are not to be relied on there.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.network
    }

    /// How its index is kept.
    #[must_use]
    pub fn manner(&self) -> Manner {
        Manner {
            shared: !self.network,
            max_size: self.max_size,
        }
    }

    /// Bytes that are free for this user on the folder's file system.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        private::free_bytes(&self.folder)
    }

    /// Bytes of an index's log of changes.
    #[must_use]
    pub fn log_size(&self, generation: u64) -> u64 {
        let path = self.folder(&format!("index-{generation}.sqlite3-wal"));
        fs::metadata(path).map_or(0, |found| found.len())
    }

    fn tmp(&self) -> PathBuf {
        self.folder("tmp")
    }

    /// Where a payload lies.
    #[must_use]
    pub fn payload(&self, key: Digest, nonce: Nonce) -> PathBuf {
        let key = key.to_string();
        let nonce = u64::from_le_bytes(nonce);
        self.folder("payloads")
            .join(&key[..2])
            .join(format!("{key}-{nonce:016x}"))
    }

    /// Where the index of a generation lies.
    #[must_use]
    pub fn index(&self, generation: u64) -> PathBuf {
        self.folder(&format!("index-{generation}.sqlite3"))
    }

    /// The generation that `CURRENT` names; where it says nothing, the latest that is there.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        let named = read_small(&self.folder("CURRENT"))
            .ok()
            .and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok())
            .filter(|&generation| generation < HIGHEST);
        named.or_else(|| self.indexes().max())
    }

    fn indexes(&self) -> impl Iterator<Item = u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?.strip_prefix("index-")?;
            let generation = name.strip_suffix(".sqlite3")?.parse().ok();
            generation.filter(|&generation| generation < HIGHEST)
        })
    }

    /// Makes `CURRENT` name another generation, in one step.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_generation(&self, generation: u64) -> Result<()> {
        let current = self.folder("CURRENT");
        write_draft(
            &self.tmp().join("CURRENT"),
            format!("{generation}\n").as_bytes(),
        )
        .and_then(|draft| fs::rename(draft, &current))
        .map_err(|error| at(&current, "can't be written", error))
    }

    /// The id of the store, drawn when the folder is made; seals are bound to it.
    ///
    /// # Errors
    /// It can't be read or made.
    pub fn store_id(&self) -> Result<StoreId> {
        let path = self.folder("ID");
        let read = || read_small(&path).map(|id| id.try_into().ok());
        let id = match read() {
            Ok(Some(id)) => return Ok(id),
            Ok(None) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has not 16 bytes",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut id = StoreId::default();
                getrandom::fill(&mut id)
                    .map_err(io::Error::other)
                    .and_then(|()| publish(&path, &self.tmp().join("ID"), &id))
                    .and_then(|()| read())
            }
            Err(error) => Err(error),
        };
        id.and_then(|id| id.ok_or_else(|| io::ErrorKind::InvalidData.into()))
            .map_err(|error| at(&path, "can't be read", error))
    }

    /// Whether nothing can be written here.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let refused = open_private(&self.folder("locks").join("index"))
            .err()
            .map(|error| error.kind());
        matches!(
            refused,
            Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
        )
    }

    /// The file that counts the changes which other processes must see; mapped, shared.
    ///
    /// # Errors
    /// It can't be made or mapped.
    pub fn changes(&self, size: usize) -> io::Result<MmapMut> {
        let file = open_private(&self.folder("locks").join("changes"))?;
        room::allocate(&file, size as u64)?;
        // SAFETY: the file is never made shorter, and is only read and written as atomic numbers.
        unsafe { MmapOptions::new().len(size).map_mut(&file) }
    }

    /// Makes the index's file, so that it is private before the database writes to it; a folder in
    /// its place is set aside.
    pub fn prepare_index(&self, generation: u64) {
        let path = self.index(generation);
        if path.is_dir() || path.is_symlink() {
            self.set_aside(&path);
        }
        // Where this fails, opening the database says why.
        let _ = open_private(&path);
    }

    /// Opens a payload: mapped privately where it is large, read where it is small.
    ///
    /// # Errors
    /// `Io` with the operating system's reason; `io::ErrorKind::NotFound` is `Ok(None)`.
    pub fn open(&self, key: Digest, nonce: Nonce) -> Result<Option<(Bytes, Stamp)>> {
        let place = self.payload(key, nonce);
        let opened = open_to_read(&place)
            .and_then(|file| Ok((Bytes::load(&file, self.is_network())?, Stamp::of(&file)?)));
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&place, "can't be read", error)),
        }
    }

    /// Removes a payload; one that is gone already is no error.
    pub fn remove(&self, key: Digest, nonce: Nonce) {
        let _ = fs::remove_file(self.payload(key, nonce));
    }

    /// Every payload file: its key and nonce, as the name gives them.
    #[must_use]
    pub fn payloads(&self) -> Vec<(Digest, Nonce)> {
        let folders = fs::read_dir(self.folder("payloads"))
            .into_iter()
            .flatten()
            .flatten();
        // Not those that links lead to.
        let folders = folders.filter(|folder| folder.file_type().is_ok_and(|kind| kind.is_dir()));
        let files =
            folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
        files
            .filter_map(|file| parse_name(file.file_name().to_str()?))
            .collect()
    }
}

/// A layout that we do not know stands beside ours only where a newer version was at work.
fn refuse_newer(path: &Path) -> Result<()> {
    let ours: u32 = LAYOUT.trim_start_matches('v').parse().unwrap_or(0);
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let newest: Option<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix('v')?.parse().ok())
        .max();
    match newest {
        Some(newest) if newest > ours => Err(Error::new(
            Kind::Newer,
            format!(
                "the cache folder `{}` was written by a newer afml-cache (layout v{newest}, this \
                 one knows v{ours}); upgrade afml-cache, or name another folder with AFML_CACHE",
                path.display()
            ),
        )),
        _ => Ok(()),
    }
}

/// Opens a file to read; whatever else stands in its place is an error.
fn open_to_read(path: &Path) -> io::Result<File> {
    plain(private::readable().open(path)?)
}

fn plain(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"))
    }
}

/// The content of a file that has a few bytes, or as many of it.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    const FEW: u64 = 4096;
    let mut content = Vec::new();
    open_to_read(path)?.take(FEW).read_to_end(&mut content)?;
    Ok(content)
}

/// Tells one file from another of the same name.
#[must_use]
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    private::identity(path)
}

/// Whether a file that nobody names is old enough to be nobody's.
fn is_abandoned(found: &fs::Metadata) -> bool {
    let age = found.modified().map(|then| then.elapsed());
    matches!(age, Ok(Ok(age)) if age > ABANDONED)
}

/// Makes a file whole or not at all; where another process was first, its file stays. `draft` begins
/// the name that it has before.
fn publish(path: &Path, draft: &Path, content: &[u8]) -> io::Result<()> {
    let draft = write_draft(draft, content)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file under a name of its own, and gives that.
fn write_draft(begin: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let mut own = [0; 8];
    getrandom::fill(&mut own).map_err(io::Error::other)?;
    let mut name = begin.to_path_buf().into_os_string();
    name.push(format!(".{:016x}", u64::from_le_bytes(own)));
    let draft = PathBuf::from(name);
    let written =
        create(&draft).and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(draft),
        Err(error) => {
            let _ = fs::remove_file(&draft);
            Err(error)
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let file = private::options().create_new(true).open(path)?;
    private::keep_file(&file)?;
    Ok(file)
}

fn open_private(path: &Path) -> io::Result<File> {
    const TRIES: usize = 1000;
    for _ in 1..TRIES {
        match create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        match private::options().open(path) {
            // Whoever had it has removed it in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return plain(opened?),
        }
    }
    plain(private::options().open(path)?)
}

/// Whether the folder had to be made.
fn make_private(path: &Path) -> io::Result<bool> {
    match private::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(false), make_private)?;
            match private::create_dir(path) {
                // Another process was first.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                made => made.map(|()| true),
            }
        }
        Err(error) => Err(error),
    }
}

fn parse_name(name: &str) -> Option<(Digest, Nonce)> {
    let (key, nonce) = name.split_once('-')?;
    let nonce = u64::from_str_radix(nonce, 16).ok()?;
    Some((Digest::from_hex(key)?, nonce.to_le_bytes()))
}

fn at(path: &Path, what: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free some disk, or clear the cache)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (make the folder writable, or name another one with AFML_CACHE)"
        }
        _ => "",
    };
    Error::caused(
        Kind::Io,
        format!("`{}` {what}{hint}", path.display()),
        error,
    )
}
