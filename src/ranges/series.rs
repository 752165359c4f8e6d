//! One series: what this process knows of it, and how that changes.

use super::catalog::{Catalog, Entered, Stored, load, revision, write};
use super::coverage::{Coverage, Piece};
use super::interval::{Interval, Intervals};
use crate::clock;
use crate::digest::{Digest, digest_bytes};
use crate::error::{Error, Kind, Result};
use crate::format::Mac;
use crate::store::Bytes;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A segment that was replaced is removed after this long: somebody may be about to read it.
const GRACE: i64 = 60_000_000_000;

/// What a series is called.
#[derive(Clone, Debug)]
pub struct Name {
    /// The cache that it belongs to.
    pub cache: String,
    /// Its key, as JSON.
    pub key: String,
    /// What it is called in the name of its folder.
    pub slug: String,
    /// Tells it from all others.
    pub digest: Digest,
}

impl Name {
    /// The name of a series.
    #[must_use]
    pub fn new(cache: &str, key: &str, slug: &str) -> Self {
        let mut text = b"afml-cache 2026 series".to_vec();
        for part in [cache, key] {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Self {
            cache: cache.into(),
            key: key.into(),
            slug: slug.into(),
            digest: Digest::of(&text),
        }
    }

    /// The name of its folder, whatever the key holds.
    #[must_use]
    pub fn folder(&self) -> String {
        const MOST: usize = 40;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let slug: String = self.slug.chars().take(MOST).map(plain).collect();
        format!("{slug}-{}", &self.digest.to_string()[..16])
    }
}

/// A segment: a file of bars that never changes.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its file.
    pub name: String,
    /// From its first bar to behind its last.
    pub span: Interval,
    /// How many bars it has, live or not.
    pub rows: i64,
    /// Bytes of its file.
    pub bytes: i64,
    /// The digest of its file.
    pub digest: Digest,
    /// When it was written, ns UTC.
    pub created: i64,
    /// Where its bars are from, as JSON.
    pub about: String,
}

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
}

#[derive(Debug, Default)]
struct State {
    stored: Stored,
    /// What could not be written; of this process alone.
    held: Vec<Piece>,
    /// Whether what is in memory is known to be what the catalog has.
    loaded: bool,
    /// Where others changed what was known here.
    changed: Vec<Interval>,
}

/// A series of a store.
#[derive(Debug)]
pub struct Series {
    catalog: Arc<Catalog>,
    name: Name,
    entered: Mutex<Option<Entered>>,
    state: Mutex<State>,
}

impl Series {
    /// A series; entered in the catalog when it is first needed.
    #[must_use]
    pub fn of(catalog: Arc<Catalog>, name: Name) -> Self {
        Self {
            catalog,
            name,
            entered: Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    fn entered(&self) -> Result<Entered> {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.is_none() {
            *entered = Some(self.catalog.enter(&self.name, clock::wall_ns())?);
        }
        entered
            .clone()
            .ok_or_else(|| Error::new(Kind::Io, "a series is not entered"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what other processes have changed; says which revision is known then.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn sync(&self) -> Result<i64> {
        let mut state = self.state();
        let entered = self.entered()?;
        if state.loaded && self.catalog.revision(entered.id)? == Some(state.stored.revision) {
            return Ok(state.stored.revision);
        }
        let mut stored = self.catalog.load(entered.id)?;
        if self.catalog.revision(entered.id)?.is_none() {
            // The catalog was damaged and begun anew.
            *self.entered.lock().unwrap_or_else(PoisonError::into_inner) = None;
            stored = self.catalog.load(self.entered()?.id)?;
        }
        state.take(stored);
        Ok(state.stored.revision)
    }

    /// Where others changed what was known here, since this was asked last.
    #[must_use]
    pub fn changes(&self) -> Vec<Interval> {
        std::mem::take(&mut self.state().changed)
    }

    /// Answers a question about what is known.
    fn ask<T>(&self, question: impl FnOnce(&State) -> T) -> Result<T> {
        if !self.state().loaded {
            self.sync()?;
        }
        Ok(question(&self.state()))
    }

    /// The widest interval around this one of which everything is known now, and until when.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn ready(&self, interval: Interval, now: i64) -> Result<Option<(Interval, i64)>> {
        self.ask(|state| state.coverage().ready(interval, now))
    }

    /// What of an interval is not known, or is to be asked for again.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn missing(&self, interval: Interval, now: i64) -> Result<Intervals> {
        self.ask(|state| state.coverage().missing(interval, now))
    }

    /// What is known of an interval.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn pieces(&self, interval: Interval) -> Result<Vec<Piece>> {
        self.ask(|state| state.coverage().pieces(interval))
    }

    /// Its segments, by number.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn segments(&self) -> Result<Vec<(i64, Segment)>> {
        let listed = |(&id, segment): (&i64, &Segment)| (id, segment.clone());
        self.ask(|state| state.stored.segments.iter().map(listed).collect())
    }

    /// How its values look, and the seal over that.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn form(&self) -> Result<Option<(String, Option<Mac>)>> {
        self.ask(|state| state.stored.form.clone())
    }

    /// Files in its folder that no catalog names, where it was never looked for them.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn strays(&self) -> Result<Option<Vec<String>>> {
        let adopted = self.ask(|state| state.stored.adopted)?;
        if adopted {
            return Ok(None);
        }
        let folder = self.entered()?.folder;
        let names = self.catalog.files().names(&folder);
        Ok(Some(names.into_iter().map(|(name, _)| name).collect()))
    }

    /// The bytes of a segment, or of a stray file; checked where its digest is known.
    ///
    /// # Errors
    /// `Corrupt` for one that is not what was written; it can't be read; it is gone.
    pub fn read(&self, segment: i64) -> Result<Bytes> {
        let known = self.ask(|state| state.stored.segments.get(&segment).cloned())?;
        let known = known.ok_or_else(|| gone(&format!("number {segment}")))?;
        let bytes = self.read_file(&known.name)?;
        if digest_bytes(bytes.slice()) == known.digest {
            return Ok(bytes);
        }
        let (series, name) = (&self.name.slug, &known.name);
        Err(Error::new(
            Kind::Corrupt,
            format!("the segment `{name}` of the series {series} is not what was written"),
        ))
    }

    /// The bytes of a file in its folder, unchecked.
    ///
    /// # Errors
    /// It can't be read, or is gone.
    pub fn read_file(&self, name: &str) -> Result<Bytes> {
        let folder = self.entered()?.folder;
        let read = self.catalog.files().read(&folder, name)?;
        read.ok_or_else(|| gone(name))
    }

    /// Makes a change; `None` where it was made for another revision than the catalog's. Gives the
    /// numbers of new segments.
    ///
    /// # Errors
    /// A file or the catalog can't be written: then nothing has changed.
    pub fn commit(&self, change: &Change) -> Result<Option<Vec<i64>>> {
        self.sync()?;
        let entered = self.entered()?;
        let files = self.catalog.files();
        let mut written = Vec::new();
        for (file, ..) in &change.segments {
            let (name, bytes, digest, is_new) = match file {
                File::New(content) => {
                    let name = files.write(&entered.folder, content)?;
                    (name, content.len(), digest_bytes(content), true)
                }
                File::Stray(name) => {
                    let bytes = self.read_file(name)?;
                    let digest = digest_bytes(bytes.slice());
                    (name.clone(), bytes.slice().len(), digest, false)
                }
            };
            written.push((name, bytes, digest, is_new));
        }
        let done = self.enter_change(&entered, change, &written);
        if !matches!(done, Ok(Some(_))) {
            for (name, _, _, is_new) in &written {
                if *is_new {
                    files.remove(&entered.folder, name);
                }
            }
        }
        done
    }

    fn enter_change(
        &self,
        entered: &Entered,
        change: &Change,
        written: &[(String, usize, Digest, bool)],
    ) -> Result<Option<Vec<i64>>> {
        let mut state = self.state();
        let now = clock::wall_ns();
        let done = self.catalog.change(|catalog| {
            // What could not be written is not in the catalog's coverage.
            if revision(catalog, entered.id)? != Some(state.stored.revision)
                || !state.held.is_empty()
            {
                state.stored = load(catalog, entered.id)?;
            }
            if change
                .expected
                .is_some_and(|at| at != state.stored.revision)
            {
                return Ok(None);
            }
            let mut made = Vec::new();
            for ((_, span, rows, about), (name, bytes, digest, _)) in
                change.segments.iter().zip(written)
            {
                let segment = Segment {
                    name: name.clone(),
                    span: *span,
                    rows: *rows,
                    bytes: i64::try_from(*bytes).unwrap_or(i64::MAX),
                    digest: *digest,
                    created: now,
                    about: about.clone(),
                };
                made.push(insert(catalog, entered.id, &segment)?);
                let id = *made.last().unwrap_or(&0);
                state.stored.segments.insert(id, segment);
            }
            state.apply(catalog, entered.id, change, &made, now)?;
            Ok(Some(made))
        });
        if !matches!(done, Ok(Some(_))) {
            // Memory may be ahead of the catalog.
            state.loaded = false;
            return done;
        }
        state.stored.revision += 1;
        state.hold_again(change);
        done
    }

    /// Knows something in this process alone, since it can't be written or is not to be.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn hold(&self, piece: Piece) -> Result<()> {
        let _ = self.sync();
        let mut state = self.state();
        state.loaded = true;
        state.held.push(piece);
        state.stored.coverage.put(piece);
        Ok(())
    }

    /// Forgets a segment that is gone or damaged, and what it was said to hold.
    ///
    /// # Errors
    /// The catalog can't be written.
    pub fn forget(&self, segment: i64, set_aside: bool) -> Result<()> {
        let live = self.ask(|state| state.stored.coverage.live(segment))?;
        let entered = self.entered()?;
        if set_aside {
            let known = self.ask(|state| state.stored.segments.get(&segment).cloned())?;
            if let Some(known) = known {
                self.catalog.files().set_aside(&entered.folder, &known.name);
            }
        }
        let cut = live.as_slice().to_vec();
        self.commit(&Change {
            cut,
            ..Change::default()
        })?;
        Ok(())
    }

    /// Removes the files that were replaced, and those that nobody ever named; says how many.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn collect(&self) -> Result<usize> {
        let entered = self.entered()?;
        let files = self.catalog.files();
        let before = clock::wall_ns() - GRACE;
        self.catalog.change(|catalog| {
            let listed = |query: &str, before: i64| -> rusqlite::Result<BTreeSet<String>> {
                let mut query = catalog.prepare(query)?;
                let names = query.query_map([entered.id, before], |row| row.get(0))?;
                names.collect()
            };
            let dead = listed(
                "SELECT name FROM dead WHERE series = ? AND since <= ?",
                before,
            )?;
            let fresh = listed(
                "SELECT name FROM dead WHERE series = ? AND since > ?",
                before,
            )?;
            let live = listed("SELECT name FROM segments WHERE series = ? AND id > ?", 0)?;
            let mut removed = 0;
            for (name, abandoned) in files.names(&entered.folder) {
                if live.contains(&name) || fresh.contains(&name) {
                    continue;
                }
                if dead.contains(&name) || abandoned {
                    files.remove(&entered.folder, &name);
                    removed += 1;
                }
            }
            let forget = "DELETE FROM dead WHERE series = ? AND since <= ?";
            catalog.execute(forget, [entered.id, before])?;
            Ok(removed)
        })
    }
}

impl State {
    fn coverage(&self) -> &Coverage {
        &self.stored.coverage
    }

    fn reload(&mut self, stored: Stored) {
        let same = |piece: &&Piece| {
            let now = stored.coverage.at(piece.interval.first);
            now.is_some_and(|now| (now.interval, now.segment) == (piece.interval, piece.segment))
        };
        let others = self.stored.coverage.iter().filter(|piece| !same(piece));
        self.changed.extend(others.map(|piece| piece.interval));
        self.stored = stored;
    }

    fn take(&mut self, stored: Stored) {
        self.reload(stored);
        self.loaded = true;
        for piece in &self.held {
            self.stored.coverage.put(*piece);
        }
    }

    fn apply(
        &mut self,
        catalog: &Connection,
        series: i64,
        change: &Change,
        made: &[i64],
        now: i64,
    ) -> rusqlite::Result<()> {
        let touched = change.cut.iter().copied();
        let touched = touched.chain(change.pieces.iter().map(|piece| piece.interval));
        let shaken: BTreeSet<i64> = touched
            .flat_map(|interval| self.stored.coverage.meeting(interval))
            .filter_map(|piece| piece.segment)
            .collect();
        for &interval in &change.cut {
            write(catalog, series, &self.stored.coverage.cut(interval))?;
        }
        for piece in &change.pieces {
            let mut piece = *piece;
            piece.segment = piece.segment.map(|id| match usize::try_from(-1 - id) {
                Ok(new) => made.get(new).copied().unwrap_or(0),
                Err(_) => id,
            });
            write(catalog, series, &self.stored.coverage.put(piece))?;
        }
        for segment in shaken.into_iter().chain(made.iter().copied()) {
            if self.stored.coverage.live(segment).is_empty() {
                self.bury(catalog, series, segment, now)?;
            }
        }
        if let Some((form, seal)) = &change.form {
            let set = "UPDATE series SET form = ?, seal = ? WHERE id = ?";
            catalog.execute(set, params![form, seal, series])?;
            self.stored.form = Some((form.clone(), *seal));
        }
        self.stored.adopted |= change.adopts;
        let moved = "UPDATE series SET revision = revision + 1, adopted = ? WHERE id = ?";
        catalog
            .prepare_cached(moved)?
            .execute(params![self.stored.adopted, series])?;
        Ok(())
    }

    /// A segment without a live bar is dead, and its file is removed later.
    fn bury(
        &mut self,
        catalog: &Connection,
        series: i64,
        segment: i64,
        now: i64,
    ) -> rusqlite::Result<()> {
        if let Some(dead) = self.stored.segments.remove(&segment) {
            let row = params![series, dead.name, now];
            catalog.execute("INSERT INTO dead VALUES (?, ?, ?)", row)?;
        }
        catalog.execute("DELETE FROM segments WHERE id = ?", [segment])?;
        Ok(())
    }

    /// What could not be written stays known, but for what is newer.
    fn hold_again(&mut self, change: &Change) {
        let newer: Intervals = change
            .pieces
            .iter()
            .map(|piece| piece.interval)
            .chain(change.cut.iter().copied())
            .collect();
        let held = std::mem::take(&mut self.held);
        for piece in held {
            let rest = Intervals::from(piece.interval).without(&newer);
            for &interval in rest.as_slice() {
                let kept = Piece { interval, ..piece };
                self.stored.coverage.put(kept);
                self.held.push(kept);
            }
        }
    }
}

fn insert(catalog: &Connection, series: i64, segment: &Segment) -> rusqlite::Result<i64> {
    catalog
        .prepare_cached(
            "INSERT INTO segments (series, name, first, stop, rows, bytes, digest, created, about)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            series,
            segment.name,
            segment.span.first,
            segment.span.stop,
            segment.rows,
            segment.bytes,
            segment.digest.0,
            segment.created,
            segment.about,
        ])?;
    Ok(catalog.last_insert_rowid())
}

fn gone(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("the segment {what} is gone"))
}
