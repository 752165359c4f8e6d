//! Dropping entries: what is dropped never comes back, not even what is being computed.

use super::Store;
use super::index::{Index, Listed, Selection};
use super::ledger::Ledger;
use crate::error::Result;

impl Store {
    /// Drops the entries of one function, or of all, and what was counted of them; says how many
    /// entries there were.
    ///
    /// # Errors
    /// The index can't be changed.
    pub fn clear(&self, function: Option<&str>) -> Result<usize> {
        let selection = Selection {
            function,
            ..Selection::default()
        };
        let note = |epoch| Ledger::of(&self.root).note_cleared(function, epoch);
        let dropped = self.drop_all(selection, note, |some| some.len())?;
        self.forget_counts(function);
        Ok(dropped.iter().sum())
    }

    /// Drops the entries that are asked for; says which.
    ///
    /// # Errors
    /// The index can't be changed.
    pub fn invalidate(&self, selection: Selection<'_>) -> Result<Vec<Listed>> {
        let dropped = self.drop_all(selection, |_| Ok(()), |some| some);
        dropped.map(|dropped| dropped.into_iter().flatten().collect())
    }

    /// Moves the epochs on, and then drops some entries at a time, so that others get on meanwhile.
    fn drop_all<T>(
        &self,
        selection: Selection<'_>,
        noting: impl Fn(u64) -> Result<()>,
        keep: impl Fn(Vec<Listed>) -> T,
    ) -> Result<Vec<T>> {
        // Before the epochs: whoever takes an entry in from elsewhere asks for both, the epoch first.
        let noted = self.note_dropped(selection);
        let moved = self.change(|index| index.move_on(selection.function));
        // Whatever memory holds is not to be served from here on.
        self.changes.count_all();
        let epoch = moved?;
        // A file that a killed writer left has no entry that could be dropped.
        self.clear_away();
        let mut dropped = Vec::new();
        loop {
            let some = self.change(|index| {
                index.drop_some(selection, epoch, |key, nonce| self.root.remove(key, nonce))
            });
            self.changes.count_all();
            match some? {
                empty if empty.is_empty() => break,
                some => dropped.push(keep(some)),
            }
        }
        if !dropped.is_empty() {
            self.change(Index::sync)?;
        }
        // Last: what a killed process has not dropped is served on, and must outlive the index.
        noting(epoch)?;
        // On a full disk there is room only now.
        noted.or_else(|_| self.note_dropped(selection))?;
        Ok(dropped)
    }
}
