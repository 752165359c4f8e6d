//! A payload back to the value that it holds.

use super::{arrow, guarded, numpy, pandas, pickled, polars, python, records, tag};
use crate::format::{Head, Reader};
use crate::py::error::{corrupt, raise};
use crate::store::Bytes;
use pyo3::prelude::*;
use std::sync::Arc;

/// Nested deeper than this, a payload is damaged or forged: none is written deeper than 200, so that
/// it can be read back on the stack of a thread.
const DEEPEST: usize = 210;
/// A tuple may seem to hold so many things more than its payload has bytes, by holding tuples that
/// were met before. Hashing it visits each of them: a forged one would never come to an end.
const SHARED: u64 = 1 << 26;

/// Keeps a payload's bytes for the arrays that lie in them.
#[pyclass(frozen, module = "afml_cache._native")]
#[allow(dead_code)] // held, and never looked at
pub struct Memory(Arc<Bytes>);

/// Reads the tree of one payload.
pub struct Loader<'a, 'py> {
    pub py: Python<'py>,
    reader: Reader<'a>,
    head: &'a Head,
    bytes: &'a Arc<Bytes>,
    /// Made when the first array asks for it.
    memory: Option<Py<Memory>>,
    /// Values with parts of their own, by number; `None` while one is being read.
    met: Vec<Option<Bound<'py, PyAny>>>,
    /// How many things hashing each of them visits, and those of the value that is being read.
    visits: Vec<u64>,
    visited: u64,
    depth: usize,
    /// Whether arrays may be written: not where the bytes belong to several.
    pub writable: bool,
    /// Whether an array was met that has to be made for each caller: one that is read-only, say.
    pub met_manners: bool,
    /// Whether these very bytes are known to decode to a sound value, so that offsets, text and codes
    /// need not be looked at one by one. Where they are not, somebody may have forged them.
    pub sound: bool,
}

/// The value in a payload; its head must have been checked, and its seal where it needs one.
pub fn load<'py>(
    py: Python<'py>,
    head: &Head,
    bytes: Bytes,
    sound: bool,
) -> PyResult<Bound<'py, PyAny>> {
    load_from(py, head, &Arc::new(bytes), sound)
}

/// The same, over bytes that somebody else may hold.
pub fn load_from<'py>(
    py: Python<'py>,
    head: &Head,
    bytes: &Arc<Bytes>,
    sound: bool,
) -> PyResult<Bound<'py, PyAny>> {
    read(py, head, bytes, (true, sound)).map(|(value, _)| value)
}

/// The value with arrays that can't be written, to be copied for each caller; `None` where copies
/// would not tell which of them could not be written in the first place.
pub fn load_unwritable<'py>(
    py: Python<'py>,
    head: &Head,
    bytes: &Arc<Bytes>,
    sound: bool,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let (value, met_manners) = read(py, head, bytes, (false, sound))?;
    Ok(Some(value).filter(|_| !met_manners))
}

fn read<'py>(
    py: Python<'py>,
    head: &Head,
    bytes: &Arc<Bytes>,
    (writable, sound): (bool, bool),
) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let reader = Reader::new(&bytes.slice()[head.tree.clone()]);
    let mut loader = Loader {
        py,
        reader,
        head,
        bytes,
        memory: None,
        met: Vec::new(),
        visits: Vec::new(),
        visited: 0,
        depth: 0,
        writable,
        met_manners: false,
        sound,
    };
    let value = guarded(|| loader.value())
        .unwrap_or_else(|| Err(corrupt("a value that its library panics over")))?;
    if loader.reader.is_empty() {
        Ok((value, loader.met_manners))
    } else {
        Err(corrupt("bytes behind the value"))
    }
}

macro_rules! fields {
    ($($name:ident: $kind:ty),* $(,)?) => {
        $(pub fn $name(&mut self) -> PyResult<$kind> {
            self.reader.$name().map_err(raise)
        })*
    };
}

impl<'a, 'py> Loader<'a, 'py> {
    fields! { u8: u8, u64: u64, i64: i64, f64: f64, bytes: &'a [u8], text: &'a str, count: usize, length: usize }

    /// A yes or no.
    pub fn flag(&mut self) -> PyResult<bool> {
        Ok(self.u8()? != 0)
    }

    /// The next value.
    pub fn value(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let tag = self.u8()?;
        self.visited = self.visited.saturating_add(1);
        match tag {
            tag::REFERENCE => {
                let number = self.length()?;
                let met = self.met.get(number).cloned().flatten();
                let met = met.ok_or_else(|| corrupt("a reference to nothing"))?;
                self.visited = self.visited.saturating_add(self.visits[number]);
                return Ok(met);
            }
            tag::PICKLE => return self.pickle(),
            tag::NONE..=tag::BYTEARRAY | tag::ELLIPSIS => {
                return python::load(self, tag)?.ok_or_else(|| corrupt("an unknown type tag"));
            }
            _ => {}
        }
        if self.depth > DEEPEST {
            return Err(corrupt("a value nested too deep"));
        }
        let number = self.met.len();
        self.met.push(None);
        self.visits.push(1);
        self.depth += 1;
        let outside = std::mem::take(&mut self.visited);
        let value = self.composite(tag)?;
        if tag == tag::TUPLE {
            self.visits[number] = self.visited;
        }
        if self.visits[number] > SHARED + self.head.tree.len() as u64 {
            return Err(corrupt("tuples that hold each other too often"));
        }
        self.visited = outside.saturating_add(self.visits[number]);
        self.depth -= 1;
        self.met[number] = Some(value.clone());
        Ok(value)
    }

    fn composite(&mut self, tag: u8) -> PyResult<Bound<'py, PyAny>> {
        match tag {
            tag::RECORD => self.record(),
            tag::SHARED => self.shared(),
            0..48 => python::load(self, tag)?.ok_or_else(|| corrupt("an unknown type tag")),
            48..64 => numpy::load(self, tag),
            64..96 => pandas::load(self, tag),
            96..112 => polars::load(self, tag),
            112..120 => arrow::load(self, tag),
            _ => Err(corrupt("an unknown type tag")),
        }
    }

    fn shared(&mut self) -> PyResult<Bound<'py, PyAny>> {
        match self.u8()? {
            tag @ (tag::STR..=tag::BYTEARRAY) => {
                python::load(self, tag)?.ok_or_else(|| corrupt("an unknown type tag"))
            }
            _ => Err(corrupt("no text where there should be one")),
        }
    }

    /// Only a payload whose seal was checked may name a class.
    fn record(&mut self) -> PyResult<Bound<'py, PyAny>> {
        if self.head.code_bearing {
            records::load(self)
        } else {
            Err(corrupt("a class in a payload that has no seal"))
        }
    }

    /// Only a payload whose seal was checked says that it is a pickle, and then it is nothing else.
    fn pickle(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let whole = self.met.is_empty() && self.depth == 0;
        if self.head.code_bearing && self.head.pickled && whole {
            self.depth += 1;
            pickled::load(self)
        } else {
            Err(corrupt("a pickle where the payload may not have one"))
        }
    }

    /// The bytes of the next leaf.
    pub fn leaf(&mut self) -> PyResult<(*mut u8, usize)> {
        let number = self.length()?;
        let leaf = self
            .head
            .leaves
            .get(number)
            .ok_or_else(|| corrupt("a leaf that is not there"))?;
        // SAFETY: the head was checked against the payload's length.
        Ok((
            unsafe { self.bytes.pointer().add(leaf.range.start) },
            leaf.range.len(),
        ))
    }

    /// What keeps the leaves alive, for Rust.
    pub fn owner(&self) -> Arc<Bytes> {
        self.bytes.clone()
    }

    /// What keeps the leaves alive, for Python.
    pub fn memory(&mut self) -> PyResult<Py<Memory>> {
        if self.memory.is_none() {
            self.memory = Some(Py::new(self.py, Memory(self.bytes.clone()))?);
        }
        self.memory
            .as_ref()
            .map(|memory| memory.clone_ref(self.py))
            .ok_or_else(|| corrupt("no memory"))
    }
}
