//! Values that hold themselves.
//!
//! The walk finds them as Tarjan's algorithm finds strongly connected components: a value that leads
//! back to one still open hangs until that one is left. Then the component is walked once more from
//! there, each of its values by the number under which it is first met.

use crate::digest::{Digest, Encoder};
use crate::py::value::sink::{Failure, Walk};
use crate::py::value::tag;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;

/// Addresses of values that lead back to one still open, in the order in which they were left.
pub type Hanging = Vec<usize>;

/// Numbers for the values of one component.
#[derive(Default)]
pub struct Numbering<'py> {
    numbers: FxHashMap<usize, (Option<u64>, Bound<'py, PyAny>)>,
    /// The addresses that have a number, by number.
    order: Vec<usize>,
    /// For each set that we are inside of: how many numbers there were before it.
    sets: Vec<usize>,
}

impl<'py> Numbering<'py> {
    /// The number of a value that was met before; a new one is given the next.
    ///
    /// Members of a set are visited in no order, so that numbers given within one can't be used
    /// outside of it.
    pub fn number(&mut self, address: usize, value: &Bound<'py, PyAny>) -> Walk<Option<u64>> {
        match self.numbers.get(&address) {
            Some((Some(number), _)) => Ok(Some(*number)),
            Some((None, _)) => Err(Failure::unhandled(
                "a value in a cycle that a set leads to as well, so that there is no first way to it",
            )),
            None => {
                let number = self.order.len() as u64;
                self.order.push(address);
                self.numbers.insert(address, (Some(number), value.clone()));
                Ok(None)
            }
        }
    }

    /// Begins a member of the innermost set; the first one begins the set.
    pub fn next_member(&mut self, begun: bool) {
        if begun {
            self.hide();
        } else {
            self.sets.push(self.order.len());
        }
    }

    /// Ends the innermost set.
    pub fn end_members(&mut self) {
        self.hide();
        self.sets.pop();
    }

    fn hide(&mut self) {
        let before = self.sets.last().copied().unwrap_or(0);
        for address in self.order.drain(before..) {
            if let Some((number, _)) = self.numbers.get_mut(&address) {
                *number = None;
            }
        }
    }

    /// The digest of a value of the component, where it is met outside of it.
    pub fn member(&self, address: usize, component: Digest) -> Option<Digest> {
        let (number, _) = self.numbers.get(&address)?;
        let mut encoder = Encoder::new();
        encoder.tag(tag::CYCLE_MEMBER);
        encoder.digest(component);
        encoder.u64((*number)?);
        Some(encoder.finish())
    }
}
