//! How a series changes: all of a change is on the medium when it counts, or nothing of it.

use super::catalog::Catalog;
use super::coverage::{Coverage, Piece};
use super::interval::{Interval, Intervals};
use super::rows;
use super::series::{Segment, Series, State};
use crate::clock;
use crate::digest::{Digest, digest_bytes};
use crate::error::{Error, Kind, Result};
use crate::format::Mac;
use crate::store::{Cut, SeriesFiles};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// A segment that was replaced is removed after this long: somebody may be about to read it.
const GRACE: i64 = 60_000_000_000;

/// A file that a change brings.
#[derive(Debug)]
pub enum File {
    /// Its content, to be written.
    New(Vec<u8>),
    /// One that lies in the folder and that no catalog names.
    Stray(String),
}

/// A change to a series: all of it, or nothing.
#[derive(Debug, Default)]
pub struct Change {
    /// New segments: file, span, rows, and where they are from.
    pub segments: Vec<(File, Interval, i64, String)>,
    /// Intervals of which nothing is known any longer.
    pub cut: Vec<Interval>,
    /// What is known from now on; a segment below zero is a new one: -1 the first.
    pub pieces: Vec<Piece>,
    /// How its values look, if that is new.
    pub form: Option<(String, Option<Mac>)>,
    /// The revision that this change was made for, if it fits no other.
    pub expected: Option<i64>,
    /// Whether what lay in the folder is taken in with it.
    pub adopts: bool,
    /// Whether no sound file has what is cut, so that it can't come back.
    pub is_gone: bool,
}

impl Change {
    fn touches(&self) -> Intervals {
        let pieces = self.pieces.iter().map(|piece| piece.interval);
        pieces.chain(self.cut.iter().copied()).collect()
    }
}

/// A file of a change, on the medium.
struct Written {
    name: String,
    bytes: usize,
    digest: Digest,
    is_new: bool,
}

/// What a change makes of a series, and what brings the memory of it back if it comes to nothing.
#[derive(Default)]
struct Made {
    numbers: Vec<i64>,
    before: Option<Coverage>,
    buried: BTreeMap<i64, Segment>,
}

impl Series {
    /// Makes a change; `None` where it was made for another revision than the catalog's. Gives the
    /// numbers of new segments.
    ///
    /// # Errors
    /// A file or the catalog can't be written: then nothing has changed.
    pub fn commit(&self, change: &Change) -> Result<Option<Vec<i64>>> {
        let revision = self.sync()?;
        if change.expected.is_some_and(|expected| expected != revision) {
            return Ok(None);
        }
        let catalog = self.catalog()?;
        let files = catalog.files();
        let folder = self.folder();
        let mut written = Vec::new();
        let done = write_all(files, &folder, change, &mut written)
            .and_then(|()| self.enter(catalog, &folder, change, &written));
        if !matches!(done, Ok(Some(_))) {
            for file in written.iter().filter(|file| file.is_new) {
                files.remove(&folder, &file.name);
            }
        }
        done
    }

    fn enter(
        &self,
        catalog: &Catalog,
        folder: &str,
        change: &Change,
        written: &[Written],
    ) -> Result<Option<Vec<i64>>> {
        let mut state = self.state();
        let mut made = Made::default();
        let done = catalog.change(|connection| {
            state.undo(std::mem::take(&mut made));
            let found = rows::revision(connection, self.name.digest)?;
            let is_other = |expected| expected != found.unwrap_or_default();
            if change.expected.is_some_and(is_other) {
                return Ok(false);
            }
            if found.is_none() {
                rows::enter(connection, &self.name, folder, clock::wall_ns())?;
            }
            if found.is_none() || found != Some(state.stored.revision) {
                state.take(rows::load(connection, self.name.digest)?);
            }
            // Whoever removes strays does so in a transaction too.
            if let Some(file) = written
                .iter()
                .find(|file| !catalog.files().has(folder, &file.name))
            {
                return Err(failed(Error::new(
                    Kind::Io,
                    format!("the segment `{}` was removed before it counted", file.name),
                )));
            }
            let before = state.stored.coverage.clone();
            made.before = Some(before.clone());
            state.apply(connection, change, written, &mut made)?;
            if let Some(form) = &change.form {
                rows::set_form(connection, &self.name, &form.0, form.1.as_ref())?;
            }
            let files = catalog.files();
            let cut = lost(&before, &state.stored.coverage, change);
            let cut = cut.filter(|_| !change.is_gone);
            let noted = cut.map(|cut| files.write_cut(folder, &cut)).transpose();
            let mut cuts: Vec<_> = noted.map_err(failed)?.into_iter().collect();
            if change.adopts && !state.stored.adopted {
                // Those of a catalog that was lost.
                let known = rows::cuts(connection, state.id()?)?;
                let found = files.cuts(folder).into_iter().map(|(name, _)| name);
                cuts.extend(found.filter(|name| !known.contains(name)));
            }
            cuts.sort_unstable();
            cuts.dedup();
            for cut in cuts {
                rows::note_cut(connection, state.id()?, &cut)?;
            }
            Ok(true)
        });
        if !matches!(done, Ok(true)) {
            state.undo(made);
            return done.map(|_| None);
        }
        state.stored.revision += 1;
        state.stored.adopted |= change.adopts;
        if let Some(form) = &change.form {
            state.stored.form = Some(form.clone());
        }
        state.give_way(&change.touches());
        Ok(Some(made.numbers))
    }

    /// Forgets a segment that is gone or damaged, and what it was said to hold.
    ///
    /// # Errors
    /// The catalog can't be written.
    pub fn forget(&self, segment: i64, set_aside: bool) -> Result<()> {
        loop {
            let expected = Some(self.sync()?);
            let state = self.state();
            let Some(known) = state.stored.segments.get(&segment).cloned() else {
                return Ok(());
            };
            let cut = state.stored.coverage.live(segment).as_slice().to_vec();
            drop(state);
            if set_aside {
                let files = self.catalog()?.files();
                files.set_aside(&self.folder(), &known.name);
            }
            let change = Change {
                cut,
                expected,
                is_gone: true,
                ..Change::default()
            };
            if self.commit(&change)?.is_some() {
                return Ok(());
            }
        }
    }

    /// Removes the files that were replaced, and those that nobody ever named; says how many.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn collect(&self) -> Result<usize> {
        self.sync()?;
        let folder = self.folder();
        let Some(id) = self.state().stored.id else {
            return Ok(0);
        };
        let series = self.name.digest;
        let catalog = self.catalog()?;
        let files = catalog.files();
        let before = clock::wall_ns() - GRACE;
        catalog.change(|connection| {
            let stored = rows::load(connection, series)?;
            if stored.id != Some(id) || !stored.adopted {
                return Ok(0);
            }
            let live = stored.segments.values();
            let live: BTreeSet<&String> = live.map(|segment| &segment.name).collect();
            let (dead, fresh) = rows::dead(connection, id, before)?;
            let mut removed = 0;
            for (name, abandoned) in files.names(&folder) {
                if live.contains(&name) || fresh.contains(&name) {
                    continue;
                }
                if dead.contains(&name) || abandoned {
                    files.remove(&folder, &name);
                    removed += 1;
                }
            }
            rows::forget_dead(connection, id, before)?;
            let left = files.names(&folder);
            let unnamed = left.iter().any(|(name, _)| !live.contains(name));
            let oldest = stored.segments.values().map(|segment| segment.created);
            let oldest = oldest.min().unwrap_or(i64::MAX);
            let counted = rows::cuts(connection, id)?;
            for (name, cut) in files.cuts(&folder) {
                // Whoever writes one down does so in a transaction too.
                if !counted.contains(&name) || (!unnamed && cut.at < oldest) {
                    rows::forget_cut(connection, id, &name)?;
                    files.remove_cut(&folder, &name);
                }
            }
            Ok(removed)
        })
    }
}

fn write_all(
    files: &SeriesFiles,
    folder: &str,
    change: &Change,
    written: &mut Vec<Written>,
) -> Result<()> {
    for (file, ..) in &change.segments {
        written.push(match file {
            File::New(content) => {
                let digest = digest_bytes(content);
                Written {
                    name: files.write(folder, content, digest)?,
                    bytes: content.len(),
                    digest,
                    is_new: true,
                }
            }
            File::Stray(name) => {
                let (bytes, digest) = files.read_stray(folder, name)?;
                Written {
                    name: name.clone(),
                    bytes: bytes.slice().len(),
                    digest,
                    is_new: false,
                }
            }
        });
    }
    Ok(())
}

/// What segments on disk may say that counts no longer, those too that no catalog ever named: they
/// would be believed if the catalog was lost.
fn lost(before: &Coverage, after: &Coverage, change: &Change) -> Option<Cut> {
    let mut gone: Vec<Interval> = change.cut.clone();
    for piece in &change.pieces {
        gone.extend_from_slice(with_bars(before, piece.interval).as_slice());
    }
    let gone: Intervals = gone.into_iter().collect();
    let kept = gone.as_slice().iter();
    let kept = kept.flat_map(|&interval| with_bars(after, interval).as_slice().to_vec());
    let spans = gone.without(&kept.collect());
    let at = clock::wall_ns();
    let spans: Vec<_> = spans
        .as_slice()
        .iter()
        .map(|one| (one.first, one.stop))
        .collect();
    (!spans.is_empty()).then_some(Cut { at, spans })
}

fn with_bars(coverage: &Coverage, interval: Interval) -> Intervals {
    let pieces = coverage.pieces(interval).into_iter();
    pieces
        .filter(|piece| piece.segment.is_some())
        .map(|piece| piece.interval)
        .collect()
}

/// An error of ours within a transaction.
fn failed(error: Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

impl State {
    fn id(&self) -> rusqlite::Result<i64> {
        let missing = rusqlite::Error::QueryReturnedNoRows;
        self.stored.id.ok_or(missing)
    }

    fn undo(&mut self, made: Made) {
        let Some(before) = made.before else {
            return;
        };
        for number in &made.numbers {
            self.stored.segments.remove(number);
        }
        self.stored.segments.extend(made.buried);
        self.stored.coverage = before;
    }

    fn apply(
        &mut self,
        catalog: &Connection,
        change: &Change,
        written: &[Written],
        made: &mut Made,
    ) -> rusqlite::Result<()> {
        let (now, series) = (clock::wall_ns(), self.id()?);
        for ((_, span, rows, about), file) in change.segments.iter().zip(written) {
            let segment = Segment {
                name: file.name.clone(),
                span: *span,
                rows: *rows,
                bytes: i64::try_from(file.bytes).unwrap_or(i64::MAX),
                digest: file.digest,
                created: now,
                about: about.clone(),
            };
            let id = rows::insert(catalog, series, &segment)?;
            made.numbers.push(id);
            self.stored.segments.insert(id, segment);
        }
        let mut shaken: BTreeSet<i64> = made.numbers.iter().copied().collect();
        for &interval in change.touches().as_slice() {
            let met = self.stored.coverage.meeting(interval);
            shaken.extend(met.filter_map(|piece| piece.segment));
        }
        for &interval in &change.cut {
            rows::write(catalog, series, &self.stored.coverage.cut(interval))?;
        }
        for piece in &change.pieces {
            if let Some(piece) = numbered(piece, &made.numbers) {
                rows::write(catalog, series, &self.stored.coverage.put(piece))?;
            }
        }
        for segment in shaken {
            if !self.stored.coverage.live(segment).is_empty() {
                continue;
            }
            if let Some(dead) = self.stored.segments.remove(&segment) {
                rows::bury(catalog, series, segment, &dead.name, now)?;
                made.buried.insert(segment, dead);
            }
        }
        let adopted = self.stored.adopted || change.adopts;
        rows::move_on(catalog, series, adopted)
    }
}

/// A piece with the number of its segment; `None` for one whose bars are in memory only.
fn numbered(piece: &Piece, made: &[i64]) -> Option<Piece> {
    let segment = match piece.segment {
        Some(id) if id < 0 => Some(*made.get(usize::try_from(-1 - id).ok()?)?),
        known => known,
    };
    Some(Piece { segment, ..*piece })
}
