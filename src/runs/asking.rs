//! Questions to the runs.

use super::book::{Runs, series_of};
use super::cscv::{BLOCKS, Trials};
use super::event::{Event, Failure, Split};
use super::families::{self, Family};
use super::frame;
use super::rankings::{self, Ranking};
use super::record::AnswerAt;
use super::returns::{EquityKind, Kept, common};
use super::rows::{self, Found, State};
use super::selecting::{self, Wanted};
use super::statistics::Reason;
use super::trials::{self, Spread};
use super::{axes, tables};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::store::Bytes;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// How often an answer is looked for that is replaced meanwhile.
const TRIES: usize = 3;

/// The figures of a family.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The family.
    pub family: Family,
    /// Sharpe ratios of its trials.
    pub spreads: Vec<Spread>,
    /// The average correlation of the returns of its trials; `None` where no two can be compared.
    pub correlation: Option<f64>,
}

impl Runs {
    /// A run by its id, whatever its state.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn find(&self, run: Digest) -> Result<Option<Found>> {
        self.ask(|index| rows::find(index, run))
    }

    /// Runs by their ids, in this order, whatever their states.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn find_all(&self, runs: &[Digest]) -> Result<Vec<Option<Found>>> {
        self.ask(|index| runs.iter().map(|run| rows::find(index, *run)).collect())
    }

    /// The payload of the answer of a run; `None` where it has none.
    ///
    /// # Errors
    /// `Corrupt` where it is gone, or is not what was written; it can't be read.
    pub fn answer(&self, run: Digest) -> Result<Option<Bytes>> {
        let mut found = self.find(run)?;
        for _ in 1..TRIES {
            let Some(known) = found.filter(|found| found.state != State::Deleted) else {
                return Ok(None);
            };
            if known.answer == AnswerAt::Nowhere {
                return Ok(None);
            }
            let read = self.answer_at(run, known.answer);
            if !read
                .as_ref()
                .is_err_and(|error| error.kind() == Kind::Corrupt)
            {
                return read.map(Some);
            }
            found = self.find(run)?;
            if found
                .as_ref()
                .is_some_and(|found| found.answer == known.answer)
            {
                return read.map(Some);
            }
        }
        Ok(None)
    }

    fn answer_at(&self, run: Digest, place: AnswerAt) -> Result<Bytes> {
        let read = match place {
            AnswerAt::Nowhere => None,
            AnswerAt::File(file) => self.files.open(run, file.name())?,
            AnswerAt::Log(place, length) => {
                let log = self.files.log()?;
                let length = usize::try_from(length).unwrap_or_default();
                let content = log.map(|log| frame::content(&log, (place, length)));
                let content = content.transpose()?.flatten();
                content.and_then(|content| Event::payload(content.slice()).map(Bytes::copy))
            }
        };
        read.ok_or_else(|| {
            let folder = self.files.folder();
            let shown = folder.display();
            let what = format!(
                "the answer of the run {run} in `{shown}` is gone, or is not what was written; \
                 something has changed the files there"
            );
            Error::new(Kind::Corrupt, what)
        })
    }

    /// Runs that are asked for, in the order in which they were recorded first.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn select(&self, wanted: &Wanted<'_>) -> Result<Vec<Found>> {
        self.ask(|index| selecting::select(index, wanted))
    }

    /// The ids of all runs, in the order in which they were recorded first.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn ids(&self) -> Result<Vec<Digest>> {
        self.ask(selecting::ids)
    }

    /// How many runs there are of each strategy.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn count(&self) -> Result<Vec<(String, i64)>> {
        self.ask(rows::count)
    }

    /// The best runs of a strategy by a metric.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn best(
        &self,
        of: (&str, &str),
        maximize: bool,
        most: usize,
        data: Option<Digest>,
    ) -> Result<Ranking> {
        self.ask(|index| rankings::best(index, of, maximize, most, data))
    }

    /// The backtests of a family that raised, and never returned since.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn failures(&self, family: i64) -> Result<Vec<Failure>> {
        self.ask(|index| tables::failures(index, family))
    }

    /// What the digest of code stands for.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn code(&self, code: Digest) -> Result<Option<String>> {
        self.ask(|index| tables::code(index, code))
    }

    /// All families, or those of a strategy.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn families(&self, strategy: Option<&str>) -> Result<Vec<Family>> {
        self.ask(|index| families::families(index, strategy))
    }

    /// The figures of a family; `None` where nothing was tried in it.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn standing(&self, family: (&str, &str, &str)) -> Result<Option<Standing>> {
        self.ask(|index| {
            let Some(family) = families::find(index, family)? else {
                return Ok(None);
            };
            let spreads = trials::spreads(index, family.number)?;
            Ok(Some(Standing {
                spreads,
                correlation: trials::correlation(index, family.number)?,
                family,
            }))
        })
    }

    /// The runs that count for the trials of a family.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn latest(&self, family: i64) -> Result<Vec<Found>> {
        self.ask(|index| trials::all_latest(index, family))
    }

    /// The returns of a run by session.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn kept(&self, found: &Found) -> Result<Option<(Kept, EquityKind)>> {
        let log = self.files.log()?;
        match log.and_then(|log| series_of(&log, found)) {
            Some(series) => {
                let axis = self.ask(|index| axes::find(index, series.axis))?;
                Ok(axis.and_then(|axis| axes::joined(&axis, series)))
            }
            None => Ok(None),
        }
    }

    /// The returns of the trials of a family, joined on the bins that all of them have, for CSCV; or
    /// why there is nothing to look at.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn joined(&self, family: i64) -> Result<std::result::Result<Trials, Reason>> {
        let latest = self.latest(family)?;
        let Some(log) = self.files.log()? else {
            return Ok(Err(Reason::NoReturns));
        };
        let mut known = BTreeMap::new();
        let mut all = Vec::with_capacity(latest.len());
        for series in latest.iter().filter_map(|found| series_of(&log, found)) {
            let axis = match known.entry(series.axis) {
                Entry::Occupied(one) => one.into_mut(),
                Entry::Vacant(new) => new.insert(self.ask(|index| axes::find(index, series.axis))?),
            };
            all.extend(axis.as_ref().and_then(|axis| axes::joined(axis, series)));
        }
        Ok(joined(all))
    }

    /// The versions of a fold, or of all folds of a split, in order.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn splits(&self, split: &str, fold: Option<i64>) -> Result<Vec<Split>> {
        self.ask(|index| tables::splits(index, Some(split), fold))
    }

    /// Whether some data is that of a test fold, and of no fold to train with.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn is_test(&self, data: Digest) -> Result<bool> {
        self.ask(|index| tables::is_test(index, data))
    }

    /// The rows that frames of splits are made of, each with what is known of it.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn frames(&self) -> Result<Vec<(Digest, String)>> {
        self.ask(|index| tables::texts(index, "frames"))
    }
}

/// Trials whose returns do not vary have no Sharpe ratio, and are left out.
fn joined(all: Vec<(Kept, EquityKind)>) -> std::result::Result<Trials, Reason> {
    let width = all.iter().map(|(kept, _)| kept.width).max();
    let width = width.ok_or(Reason::NoReturns)?;
    let coarse: Vec<Kept> = all
        .into_iter()
        .map(|(kept, kind)| kept.coarser(width, kind))
        .collect::<std::result::Result<_, _>>()?;
    let bins = common(coarse.iter().map(|kept| kept.bins.as_slice()));
    let mut trials = Trials::new(bins.len(), BLOCKS)?;
    for kept in coarse {
        match trials.push(&kept.at(&bins)) {
            Ok(()) | Err(Reason::Constant) => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(trials)
}
