//! One series: what this process knows of it.

use super::catalog::Catalog;
use super::coverage::{Coverage, Piece};
use super::interval::{Interval, Intervals};
use super::rows::{self, Stored};
use crate::digest::{Digest, digest_bytes};
use crate::error::{Error, Kind, Result};
use crate::format::Mac;
use crate::store::{Bytes, Cut};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
        format!("{slug}-{}", self.tag())
    }

    /// What the name of its folder ends with, whatever it was called when the folder was made.
    fn tag(&self) -> String {
        self.digest.to_string()[..16].to_owned()
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

/// What is known in this process.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What the catalog has.
    pub(super) stored: Stored,
    /// What could not be written; of this process alone.
    held: Vec<Piece>,
    /// Segments that can't be read here.
    shunned: BTreeSet<i64>,
    /// The coverage on disk with what is held, and without what is shunned, if there is any of it.
    own: Option<Coverage>,
    /// Whether the catalog was asked.
    loaded: bool,
    /// Where others changed what was known here.
    changed: Vec<Interval>,
}

/// A series of a store.
#[derive(Debug)]
pub struct Series {
    catalog: OnceLock<Arc<Catalog>>,
    pub(super) name: Name,
    state: Mutex<State>,
}

impl Series {
    /// A series of which nothing is known until it has a catalog.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self {
            catalog: OnceLock::new(),
            name,
            state: Mutex::default(),
        }
    }

    /// A series of a catalog.
    #[must_use]
    pub fn of(catalog: Arc<Catalog>, name: Name) -> Self {
        let series = Self::new(name);
        series.attach(catalog);
        series
    }

    /// Gives it its catalog, unless it has one.
    pub fn attach(&self, catalog: Arc<Catalog>) {
        let _ = self.catalog.set(catalog);
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn catalog(&self) -> Result<&Arc<Catalog>> {
        let missing = || Error::new(Kind::Io, "the store of the series can't be opened");
        self.catalog.get().ok_or_else(missing)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what other processes have changed; says which revision is known then.
    ///
    /// # Errors
    /// The catalog can't be asked: what was known stays known.
    pub fn sync(&self) -> Result<i64> {
        let catalog = self.catalog()?;
        let series = self.name.digest;
        let mut state = self.state();
        let revision = catalog.peek(|catalog| rows::revision(catalog, series))?;
        if !state.loaded || revision.unwrap_or_default() != state.stored.revision {
            let stored = catalog.ask(|catalog| rows::load(catalog, series))?;
            state.take(stored);
        }
        Ok(state.stored.revision)
    }

    /// Where others changed what was known here, since this was asked last.
    #[must_use]
    pub fn changes(&self) -> Vec<Interval> {
        std::mem::take(&mut self.state().changed)
    }

    /// The widest interval around this one of which everything is known now, and until when.
    #[must_use]
    pub fn ready(&self, interval: Interval, now: i64) -> Option<(Interval, i64)> {
        self.state().coverage().ready(interval, now)
    }

    /// What of an interval is not known, or is to be asked for again.
    #[must_use]
    pub fn missing(&self, interval: Interval, now: i64) -> Intervals {
        self.state().coverage().missing(interval, now)
    }

    /// What is known of an interval.
    #[must_use]
    pub fn pieces(&self, interval: Interval) -> Vec<Piece> {
        self.state().coverage().pieces(interval)
    }

    /// Its segments, by number.
    #[must_use]
    pub fn segments(&self) -> Vec<(i64, Segment)> {
        let state = self.state();
        let segments = state.stored.segments.iter();
        segments.map(|(&id, one)| (id, one.clone())).collect()
    }

    /// How its values look, and the seal over that.
    #[must_use]
    pub fn form(&self) -> Option<(String, Option<Mac>)> {
        self.state().stored.form.clone()
    }

    /// Segments in its folder that the catalog does not name, where it was never looked for them;
    /// and what was written down of older ones.
    ///
    /// # Errors
    /// It has no catalog.
    pub fn strays(&self) -> Result<Option<(Vec<String>, Vec<Cut>)>> {
        let files = self.catalog()?.files();
        let folder = self.folder();
        let state = self.state();
        if state.stored.adopted {
            return Ok(None);
        }
        let named: BTreeSet<&String> = state
            .stored
            .segments
            .values()
            .map(|one| &one.name)
            .collect();
        let found = files.names(&folder).into_iter().map(|(name, _)| name);
        let strays = found.filter(|name| !named.contains(name)).collect();
        let cuts = files.cuts(&folder).into_iter().map(|(_, cut)| cut);
        Ok(Some((strays, cuts.collect())))
    }

    /// The bytes of a segment, checked.
    ///
    /// # Errors
    /// `Corrupt` for one that is not what was written, or is gone; it can't be read.
    pub fn read(&self, segment: i64) -> Result<Bytes> {
        let known = self.state().stored.segments.get(&segment).cloned();
        let gone = || {
            Error::new(
                Kind::Corrupt,
                format!("the segment number {segment} is gone"),
            )
        };
        let known = known.ok_or_else(gone)?;
        let bytes = self.catalog()?.files().read(&self.folder(), &known.name)?;
        let length = i64::try_from(bytes.slice().len()).unwrap_or(i64::MAX);
        if length == known.bytes && digest_bytes(bytes.slice()) == known.digest {
            return Ok(bytes);
        }
        let (series, name) = (&self.name.slug, &known.name);
        Err(Error::new(
            Kind::Corrupt,
            format!("the segment `{name}` of the series {series} is not what was written"),
        ))
    }

    /// The bytes of a segment that the catalog does not name, checked against its name.
    ///
    /// # Errors
    /// As for `read`.
    pub fn read_stray(&self, name: &str) -> Result<Bytes> {
        let read = self.catalog()?.files().read_stray(&self.folder(), name);
        read.map(|(bytes, _)| bytes)
    }

    /// Moves a segment that the catalog does not name out of the way.
    ///
    /// # Errors
    /// It has no catalog.
    pub fn set_stray_aside(&self, name: &str) -> Result<()> {
        self.catalog()?.files().set_aside(&self.folder(), name);
        Ok(())
    }

    /// The name of its folder; a catalog can't have us look anywhere else.
    pub(super) fn folder(&self) -> String {
        let known = self.state().stored.folder.clone();
        if known.ends_with(&format!("-{}", self.name.tag())) {
            known
        } else {
            self.name.folder()
        }
    }

    /// Knows something in this process alone, since it can't be written or is not to be.
    pub fn hold(&self, piece: Piece) {
        let mut state = self.state();
        state.held.push(piece);
        state.look();
    }

    /// Does in this process as if there was no such segment: it can't be read here.
    pub fn shun(&self, segment: i64) {
        let mut state = self.state();
        state.shunned.insert(segment);
        state.look();
    }
}

impl State {
    pub(super) fn coverage(&self) -> &Coverage {
        self.own.as_ref().unwrap_or(&self.stored.coverage)
    }

    /// Knows what the catalog has now, and notes where that is something else.
    pub(super) fn take(&mut self, stored: Stored) {
        if self.loaded && stored.created == self.stored.created {
            let same = |piece: &&Piece| {
                let now = stored.coverage.at(piece.interval.first);
                now.is_some_and(|now| {
                    (now.interval, now.segment) == (piece.interval, piece.segment)
                })
            };
            let others = self.stored.coverage.iter().filter(|piece| !same(piece));
            let others: Vec<_> = others.map(|piece| piece.interval).collect();
            self.changed.extend(others);
        } else {
            self.changed.push(Interval::new(i64::MIN, i64::MAX));
        }
        self.stored = stored;
        self.loaded = true;
        self.look();
    }

    /// Has what is held give way to what is newer.
    pub(super) fn give_way(&mut self, newer: &Intervals) {
        let held = std::mem::take(&mut self.held);
        for piece in held {
            let rest = Intervals::from(piece.interval).without(newer);
            let rest = rest.as_slice().iter();
            self.held
                .extend(rest.map(|&interval| Piece { interval, ..piece }));
        }
        self.look();
    }

    fn look(&mut self) {
        if self.held.is_empty() && self.shunned.is_empty() {
            self.own = None;
            return;
        }
        let mut own = self.stored.coverage.clone();
        for &segment in &self.shunned {
            for &interval in own.live(segment).as_slice() {
                own.cut(interval);
            }
        }
        for piece in &self.held {
            own.put(*piece);
        }
        self.own = Some(own);
    }
}
