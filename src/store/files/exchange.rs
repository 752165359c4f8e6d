//! Files of entries, which lie wherever their user wants them.
#![allow(clippy::disallowed_methods)]

use super::{create, open_to_read};
use crate::digest::Encoder;
use crate::error::{Error, Kind, Result};
use crate::format::Cover;
use crate::store::mapped::Bytes;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of a payload's length before it.
const LENGTH: u64 = 8;
/// After so many lengths the user is listened to.
const LISTEN: u64 = 4096;

/// A file of entries that is being written, under a name of its own beside its place. When this is
/// dropped, it is gone, unless it was finished.
#[derive(Debug)]
pub struct ExportFile {
    file: BufWriter<File>,
    draft: PathBuf,
    place: PathBuf,
    kept: bool,
}

impl ExportFile {
    /// Makes the file, empty but for the room of its cover.
    ///
    /// # Errors
    /// `Refused` where something else stands in its place; no such folder, no permission.
    pub fn begin(place: &Path) -> Result<Self> {
        refuse_others(place)?;
        let mut own = [0; 8];
        let made = getrandom::fill(&mut own)
            .map_err(io::Error::other)
            .and_then(|()| {
                let name = format!(".afml-export.{:016x}", u64::from_le_bytes(own));
                let draft = place.with_file_name(name);
                create(&draft).map(|file| (file, draft))
            });
        let (file, draft) = made.map_err(|error| told(place, "can't be written", error))?;
        let mut export = Self {
            file: BufWriter::new(file),
            draft,
            place: place.to_path_buf(),
            kept: false,
        };
        export.append(&[0; Cover::SIZE])?;
        Ok(export)
    }

    /// Writes on.
    ///
    /// # Errors
    /// Disk full.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| told(&self.place, "can't be written", error))
    }

    /// Writes the cover, has all of it on the medium, and puts it into its place.
    ///
    /// # Errors
    /// Disk full, or something else has come to stand in its place.
    pub fn finish(mut self, cover: &Cover) -> Result<()> {
        refuse_others(&self.place)?;
        let finished = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&cover.encode()))
            .and_then(|()| self.file.flush())
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.draft, &self.place));
        finished.map_err(|error| told(&self.place, "can't be written", error))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for ExportFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

/// Only an earlier file of entries is replaced.
fn refuse_others(place: &Path) -> Result<()> {
    let what = match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(told(place, "can't be looked at", error)),
        Ok(found) if found.is_dir() => "a folder",
        Ok(found) if found.is_symlink() => "a symbolic link",
        Ok(found) if !found.is_file() => "no plain file",
        Ok(_) => match begins_like_ours(place) {
            Ok(true) => return Ok(()),
            Ok(false) => "some other file",
            Err(error) => return Err(told(place, "is there and can't be read", error)),
        },
    };
    let shown = place.display();
    Err(Error::new(
        Kind::Refused,
        format!(
            "`{shown}` is {what}, and only an earlier file of exported results is overwritten; \
             remove it, or name another file"
        ),
    ))
}

fn begins_like_ours(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    let file = open_to_read(path)?;
    file.take(Cover::SIZE as u64).read_to_end(&mut begin)?;
    Ok(Cover::begins(&begin))
}

/// A file of entries to read.
#[derive(Debug)]
pub struct ImportFile {
    file: File,
    path: PathBuf,
    length: u64,
}

impl ImportFile {
    /// Opens the file; whatever else stands in its place is an error.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = open_to_read(path).and_then(|file| {
            let length = file.metadata()?.len();
            Ok((file, length))
        });
        let (file, length) = opened.map_err(|error| told(path, "can't be read", error))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            length,
        })
    }

    /// The cover of the file, checked against all of it; and where each payload lies. `goes_on` is
    /// asked again and again, since this may take a while.
    ///
    /// # Errors
    /// `Corrupt` for a file that is cut short, damaged, or something else; `Newer` for a version that
    /// we do not know; those of `goes_on`.
    pub fn cover(&self, goes_on: &dyn Fn() -> Result<()>) -> Result<(Cover, Vec<Range<u64>>)> {
        let shown = self.path.display();
        let within = |error: Error| error.within(&format!("`{shown}` can't be imported"));
        let begin = self.length.min(Cover::SIZE as u64);
        let begin = self.read(0..begin)?;
        let is_short = self.length < Cover::SIZE as u64;
        if is_short && Cover::begins(begin.slice()) {
            return Err(within(damaged("it ends within its first bytes")));
        }
        let cover = Cover::decode(begin.slice()).map_err(within)?;
        if cover.length != self.length {
            let (is, should) = (self.length, cover.length);
            let what = format!("it has {is} bytes, not the {should} that were exported");
            return Err(within(damaged(&what)));
        }
        let room = self.length - Cover::SIZE as u64;
        if cover.entries > room / LENGTH {
            return Err(within(damaged("its lengths do not add up")));
        }
        let mut content = Encoder::new();
        self.give_all(&mut content, goes_on)?;
        if !cover.fits(&mut content) {
            return Err(within(damaged("it fails its check")));
        }
        let places = self.places(cover.entries, goes_on)?;
        let places = places.ok_or_else(|| within(damaged("its lengths do not add up")))?;
        Ok((cover, places))
    }

    /// Bytes of the file, read into memory.
    ///
    /// # Errors
    /// They can't be read, or the file is shorter by now.
    pub fn read(&self, place: Range<u64>) -> Result<Bytes> {
        let length = place.end.saturating_sub(place.start);
        usize::try_from(length)
            .map_err(io::Error::other)
            .and_then(|length| Bytes::read(&self.file, place.start, length))
            .map_err(|error| told(&self.path, "can't be read", error))
    }

    fn give_all(&self, content: &mut Encoder, goes_on: &dyn Fn() -> Result<()>) -> Result<()> {
        const PIECE: usize = 1 << 20;
        let mut at = Cover::SIZE as u64;
        while at < self.length {
            goes_on()?;
            let end = self.length.min(at + PIECE as u64);
            content.raw(self.read(at..end)?.slice());
            at = end;
        }
        Ok(())
    }

    /// Where so many payloads lie; none where they do not fill the file.
    fn places(
        &self,
        entries: u64,
        goes_on: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Vec<Range<u64>>>> {
        let mut places = Vec::new();
        // There may be millions, and growing ends the process where there is no memory.
        let room = usize::try_from(entries).map_err(io::Error::other);
        room.and_then(|room| places.try_reserve_exact(room).map_err(io::Error::other))
            .map_err(|error| told(&self.path, "can't be read", error))?;
        let mut at = Cover::SIZE as u64;
        for number in 0..entries {
            if number % LISTEN == 0 {
                goes_on()?;
            }
            let start = at + LENGTH;
            if start > self.length {
                return Ok(None);
            }
            let mut length = [0; size_of::<u64>()];
            length.copy_from_slice(self.read(at..start)?.slice());
            let end = start.checked_add(u64::from_le_bytes(length));
            let Some(end) = end.filter(|&end| end <= self.length) else {
                return Ok(None);
            };
            places.push(start..end);
            at = end;
        }
        Ok(Some(places).filter(|_| at == self.length))
    }
}

fn damaged(what: &str) -> Error {
    let advice = "it was cut short or damaged on its way; copy or export it again";
    Error::new(Kind::Corrupt, format!("{what}; {advice}"))
}

fn told(path: &Path, what: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free some disk, or name a file on another one)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (give this user access to it and its folder, or name another file)"
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            " (check the path; folders are not made)"
        }
        _ => "",
    };
    let shown = path.display();
    Error::caused(Kind::Io, format!("`{shown}` {what}{hint}"), error)
}
