//! What backtests returned: in the log where it is small, in files where it is large or for others.

use super::book::Runs;
use super::frame::{self, length_of_payload};
use super::record::{AnswerAt, AnswerFile};
use super::rows::{Found, State};
use crate::digest::Digest;
use crate::error::Result;
use crate::store::{LockedLog, RunDraft};

/// Payloads up to this size are in the log; larger ones have a file.
const SMALL: usize = 64 * 1024;

/// What a backtest returned.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its payload.
    pub payload: Vec<u8>,
    /// Names and contents of files for other tools.
    pub files: Vec<(String, Vec<u8>)>,
}

/// The files of an answer on their way to a run.
pub struct Files {
    names: Vec<String>,
    draft: Option<RunDraft>,
    is_large: bool,
    file: AnswerFile,
    /// Whether they are where they belong.
    pub is_put: bool,
}

impl Files {
    /// Writes them where nobody looks for them.
    pub fn of(runs: &Runs, answer: &Answer) -> Result<Self> {
        let is_large = answer.payload.len() > SMALL;
        let mut draft = None;
        if is_large || !answer.files.is_empty() {
            let mut own = runs.files.draft()?;
            for (name, content) in &answer.files {
                own.write(name, content, false)?;
            }
            if is_large {
                own.write(AnswerFile::One.name(), &answer.payload, true)?;
            }
            draft = Some(own);
        }
        Ok(Self {
            names: answer.files.iter().map(|(name, _)| name.clone()).collect(),
            draft,
            is_large,
            file: AnswerFile::One,
            is_put: false,
        })
    }

    /// Where the answer will be: not in the file of the one that the run has.
    pub fn place(&mut self, answer: &Answer, before: Option<&Found>) -> AnswerAt {
        if !self.is_large {
            let length = length_of_payload(answer.payload.len()) as u64;
            return AnswerAt::Log(length, length);
        }
        if !self.is_put && before.map(|before| before.answer) == Some(AnswerAt::File(self.file)) {
            self.file = AnswerFile::Other;
        }
        AnswerAt::File(self.file)
    }

    /// Puts them where they belong; beside those that the run has until it is recorded.
    pub fn put(&mut self, runs: &Runs, run: Digest, before: Option<&Found>) -> Result<()> {
        if let Some(draft) = self.draft.as_ref().filter(|_| !self.is_put) {
            if self.is_large && self.file != AnswerFile::One {
                draft.rename(AnswerFile::One.name(), self.file.name())?;
            }
            runs.files.put(run, draft, is_whole(before))?;
            self.is_put = true;
        }
        Ok(())
    }

    /// Removes what the run had before.
    pub fn tidy(&self, runs: &Runs, run: Digest) {
        if !self.is_put {
            return runs.files.remove(run);
        }
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if self.is_large {
            names.push(self.file.name());
        }
        runs.files.keep(run, &names);
    }
}

/// Gives back what the answer takes that a run had before.
pub fn forget(log: &LockedLog, before: Option<&Found>) {
    if let Some(AnswerAt::Log(place, length)) = before.map(|before| before.answer) {
        frame::empty(log, place, length);
    }
}

/// Whether all of a run is there.
pub fn is_whole(found: Option<&Found>) -> bool {
    found.is_some_and(|found| found.state == State::Whole)
}
