//! A value to the tree and leaves of a payload.

use super::sink::{Container, Failure, Sink, Walk, not_handled};
use super::{numpy, pandas, pickled, records, step, tag, walk, walk_guarded};
use crate::format::{Source, Writer};
use ::numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};
use std::any::Any;
use std::collections::HashMap;

/// Containers nested deeper than this are pickled: a tree is read back on a stack of unknown size.
const DEEPEST: usize = 200;

/// What a payload may not hold, each with the reason; `None` for what it may.
#[derive(Clone, Debug, Default)]
pub struct Forbidden {
    pub pickles: Option<String>,
    /// Of dataclasses and named tuples: importing one runs code.
    pub classes: Option<String>,
}

impl Forbidden {
    /// Says what a value would need, and why it can't have that.
    fn told(&self, failure: Failure) -> Failure {
        let needed = match (&self.classes, &self.pickles) {
            (Some(reason), _) => format!("needs a pickle or the name of a class, and {reason}"),
            (None, Some(reason)) => format!("needs pickle, and {reason}"),
            (None, None) => return failure,
        };
        failure.because(&needed)
    }
}

/// Takes a value's structure and the memory that it points to.
pub struct DraftSink {
    tree: Writer,
    leaves: Vec<Source>,
    /// What the borrowed leaves point into.
    keep: Vec<Box<dyn Any + Send + Sync>>,
    /// The numbers of the values that were met, by address.
    met: HashMap<usize, u64>,
    /// These values by number: held, so that no address is used twice within one walk.
    held: Vec<Py<PyAny>>,
    /// The values that we are inside of.
    open: Vec<usize>,
    forbidden: Forbidden,
    code_bearing: bool,
    pickled: bool,
}

/// A value ready to be stored.
pub struct Drafted {
    /// Its structure.
    pub tree: Vec<u8>,
    /// Its buffers; they point into what `_keep` holds.
    pub leaves: Vec<Source>,
    /// Whether decoding it can run code.
    pub code_bearing: bool,
    /// Whether it holds a pickle.
    pub pickled: bool,
    /// Dropped by the caller, with the GIL held, after the leaves were written.
    pub keep: Vec<Box<dyn Any + Send + Sync>>,
}

/// How far a sink had come.
#[derive(Clone, Copy)]
pub struct Mark {
    tree: usize,
    leaves: usize,
    keep: usize,
    held: usize,
    open: usize,
    code_bearing: bool,
}

impl DraftSink {
    /// The payload of a value: its tree, or one pickle where something in it needs that. A pickle
    /// of the whole keeps what its parts share; arrays and frames in it are values all the same.
    pub fn draft(value: &Bound<'_, PyAny>, forbidden: Forbidden) -> Walk<Drafted> {
        let mut sink = Self {
            tree: Writer::new(),
            leaves: Vec::new(),
            keep: Vec::new(),
            met: HashMap::new(),
            held: Vec::new(),
            open: Vec::new(),
            forbidden,
            code_bearing: false,
            pickled: false,
        };
        let begin = sink.mark();
        match walk_guarded(&mut sink, value) {
            Err(Failure::Unhandled(_)) if sink.forbidden.pickles.is_none() => {
                sink.back_to(begin);
                sink.code_bearing = true;
                sink.pickled = true;
                sink = pickled::dump(sink, value)?;
            }
            walked => walked.map_err(|failure| sink.forbidden.told(failure))?,
        }
        Ok(Drafted {
            tree: sink.tree.finish(),
            leaves: sink.leaves,
            code_bearing: sink.code_bearing,
            pickled: sink.pickled,
            keep: sink.keep,
        })
    }

    /// How far it has come.
    pub fn mark(&self) -> Mark {
        Mark {
            tree: self.tree.len(),
            leaves: self.leaves.len(),
            keep: self.keep.len(),
            held: self.held.len(),
            open: self.open.len(),
            code_bearing: self.code_bearing,
        }
    }

    /// Takes back everything since a mark.
    pub fn back_to(&mut self, mark: Mark) {
        self.tree.truncate(mark.tree);
        self.leaves.truncate(mark.leaves);
        self.keep.truncate(mark.keep);
        self.open.truncate(mark.open);
        self.code_bearing = mark.code_bearing;
        for value in self.held.drain(mark.held..) {
            self.met.remove(&value.as_ptr().addr());
        }
    }

    /// Bytes of an array in rows, as they lie.
    pub fn whole(&mut self, array: Bound<'_, PyUntypedArray>) {
        let length = array.len() * array.dtype().itemsize();
        self.leaf(Source::Borrowed(numpy::data(&array), length));
        self.keep.push(Box::new(array.unbind()));
    }

    fn leaf(&mut self, source: Source) {
        self.tree.u64(self.leaves.len() as u64);
        self.leaves.push(source);
    }
}

impl<'py> Sink<'py> for DraftSink {
    const CANONICAL: bool = false;

    fn tag(&mut self, tag: u8) {
        self.tree.u8(tag);
    }

    fn u64(&mut self, value: u64) {
        self.tree.u64(value);
    }

    fn i64(&mut self, value: i64) {
        self.tree.i64(value);
    }

    fn f64(&mut self, value: f64) {
        self.tree.f64(value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.tree.bytes(bytes);
    }

    fn value(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        if is_shared(value) {
            return self.composite(value, |sink| {
                sink.tag(tag::SHARED);
                step(sink, value)
            });
        }
        step(self, value)
    }

    fn container(&mut self, value: &Bound<'py, PyAny>, container: Container<'_, 'py>) -> Walk<()> {
        self.composite(value, |sink| match container {
            Container::Tuple(items) => walk_items(sink, tag::TUPLE, items.len(), items.iter()),
            Container::List(items) => walk_items(sink, tag::LIST, items.len(), items.iter()),
            Container::Dict(items) => walk_dict(sink, items),
            Container::Set(tag) => walk_members(sink, tag, value),
        })
    }

    /// An object that is met again becomes a reference.
    fn composite(
        &mut self,
        value: &Bound<'py, PyAny>,
        body: impl FnOnce(&mut Self) -> Walk<()>,
    ) -> Walk<()> {
        let address = value.as_ptr().addr();
        if self.open.contains(&address) {
            return Err(Failure::unhandled("a value that holds itself"));
        }
        if let Some(number) = self.met.get(&address) {
            self.tree.u8(tag::REFERENCE);
            self.tree.u64(*number);
            return Ok(());
        }
        if self.open.len() >= DEEPEST {
            return Err(Failure::unhandled(format!(
                "a container more than {DEEPEST} levels deep"
            )));
        }
        self.met.insert(address, self.held.len() as u64);
        self.held.push(value.clone().unbind());
        self.open.push(address);
        body(self)?;
        self.open.pop();
        Ok(())
    }

    fn array(&mut self, array: &Bound<'py, PyUntypedArray>) -> Walk<()> {
        let columns_first = array.is_fortran_contiguous() && !array.is_c_contiguous();
        let laid_out = if columns_first {
            array.clone()
        } else {
            numpy::in_rows(array)?
        };
        self.flag(columns_first);
        self.whole(laid_out);
        Ok(())
    }

    fn manners(&mut self, array: &Bound<'py, PyAny>) -> Walk<()> {
        numpy::write_manners(self, array)
    }

    fn cells(&mut self, frame: &Bound<'py, PyAny>) -> Walk<()> {
        pandas::store_blocks(self, frame)
    }

    fn borrowed<O: Send + Sync + 'static>(
        &mut self,
        _: Python<'py>,
        owner: O,
        bytes: impl FnOnce(&O) -> &[u8],
    ) {
        let owner = Box::new(owner);
        let bytes = bytes(&owner);
        self.leaf(Source::Borrowed(bytes.as_ptr(), bytes.len()));
        self.keep.push(owner);
    }

    fn other(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        if self.forbidden.classes.is_none()
            && let Some(record) = records::take_apart(value)?
        {
            self.code_bearing = true;
            return self.composite(value, |sink| record.walk(sink));
        }
        Err(not_handled(value))
    }
}

/// Whether it matters that a text or bytes are one object wherever they are met.
fn is_shared(value: &Bound<'_, PyAny>) -> bool {
    const LONG: usize = 1024;
    let long = value.is_exact_instance_of::<PyString>() || value.is_exact_instance_of::<PyBytes>();
    value.is_exact_instance_of::<PyByteArray>()
        || (long && value.len().is_ok_and(|length| length >= LONG))
}

fn walk_items<'py>(
    sink: &mut DraftSink,
    tag: u8,
    count: usize,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
) -> Walk<()> {
    sink.tag(tag);
    sink.u64(count as u64);
    for (place, item) in items.enumerate() {
        walk(sink, &item).map_err(|failure| failure.within(|| format!("[{place}]")))?;
    }
    Ok(())
}

fn walk_dict(sink: &mut DraftSink, items: &Bound<'_, PyDict>) -> Walk<()> {
    sink.tag(tag::DICT);
    sink.u64(items.len() as u64);
    for (key, value) in items {
        let segment = || {
            key.repr()
                .map_or_else(|_| "[?]".into(), |key| format!("[{key}]"))
        };
        walk(sink, &key).map_err(|failure| failure.within(segment))?;
        walk(sink, &value).map_err(|failure| failure.within(segment))?;
    }
    Ok(())
}

fn walk_members(sink: &mut DraftSink, tag: u8, set: &Bound<'_, PyAny>) -> Walk<()> {
    sink.tag(tag);
    sink.u64(set.len()? as u64);
    set.try_iter()?.try_for_each(|member| walk(sink, &member?))
}
