//! A value to the tree and leaves of a payload.

use super::sink::{Container, Failure, Sink, Walk};
use super::{numpy, pandas, step, tag, walk};
use crate::format::{Source, Writer};
use ::numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::any::Any;
use std::collections::HashMap;

/// Containers nested deeper than this are not stored: they are read back on a stack of unknown size.
const DEEPEST: usize = 200;

/// Takes a value's structure and the memory that it points to.
pub struct DraftSink<'py> {
    tree: Writer,
    leaves: Vec<Source>,
    /// What the borrowed leaves point into.
    keep: Vec<Box<dyn Any + Send + Sync>>,
    /// Address to number; the object is held, so that no address is used twice within one walk.
    met: HashMap<usize, (u64, Bound<'py, PyAny>)>,
    next: u64,
    /// The containers that we are inside of.
    open: Vec<usize>,
    /// Why nothing may be pickled; `None` where it may.
    no_pickle: Option<String>,
    code_bearing: bool,
}

/// A value ready to be stored.
pub struct Drafted {
    /// Its structure.
    pub tree: Vec<u8>,
    /// Its buffers; they point into what `_keep` holds.
    pub leaves: Vec<Source>,
    /// Whether decoding it can run code.
    pub code_bearing: bool,
    /// Dropped by the caller, with the GIL held, after the leaves were written.
    pub keep: Vec<Box<dyn Any + Send + Sync>>,
}

impl<'py> DraftSink<'py> {
    /// The payload of a value; `no_pickle` says why nothing in it may be pickled.
    pub fn draft(value: &Bound<'py, PyAny>, no_pickle: Option<String>) -> Walk<Drafted> {
        let mut sink = Self {
            tree: Writer::new(),
            leaves: Vec::new(),
            keep: Vec::new(),
            met: HashMap::new(),
            next: 0,
            open: Vec::new(),
            no_pickle,
            code_bearing: false,
        };
        walk(&mut sink, value)?;
        let Self {
            tree,
            leaves,
            code_bearing,
            keep,
            ..
        } = sink;
        Ok(Drafted {
            tree: tree.finish(),
            leaves,
            code_bearing,
            keep,
        })
    }

    fn leaf(&mut self, source: Source) {
        self.tree.u64(self.leaves.len() as u64);
        self.leaves.push(source);
    }

    fn pickle(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        let pickled = dump(value)?;
        self.tree.u8(tag::PICKLE);
        self.tree.bytes(pickled.as_bytes());
        self.code_bearing = true;
        Ok(())
    }
}

impl<'py> Sink<'py> for DraftSink<'py> {
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

    /// An object that is met again becomes a reference; one whose parts are not handled becomes a
    /// pickle as a whole.
    fn composite(
        &mut self,
        value: &Bound<'py, PyAny>,
        body: impl FnOnce(&mut Self) -> Walk<()>,
    ) -> Walk<()> {
        let address = value.as_ptr().addr();
        if self.open.contains(&address) {
            return Err(Failure::Python(PyValueError::new_err(
                "a container that holds itself can't be stored",
            )));
        }
        if let Some((number, _)) = self.met.get(&address) {
            self.tree.u8(tag::REFERENCE);
            self.tree.u64(*number);
            return Ok(());
        }
        if self.open.len() >= DEEPEST {
            return Err(Failure::unhandled(format!(
                "a container more than {DEEPEST} levels deep"
            )));
        }
        let before = (self.tree.len(), self.leaves.len(), self.next);
        self.met.insert(address, (self.next, value.clone()));
        self.next += 1;
        self.open.push(address);
        let walked = body(self);
        self.open.pop();
        match walked {
            Err(Failure::Unhandled(_)) if self.no_pickle.is_none() => {
                self.tree.truncate(before.0);
                self.leaves.truncate(before.1);
                self.met.retain(|_, (number, _)| *number < before.2);
                self.next = before.2;
                self.pickle(value)
            }
            walked => walked,
        }
    }

    fn array(&mut self, array: &Bound<'py, PyUntypedArray>) -> Walk<()> {
        let columns_first = array.is_fortran_contiguous() && !array.is_c_contiguous();
        let laid_out = if columns_first {
            array.clone()
        } else {
            numpy::in_rows(array)?
        };
        let length = laid_out.len() * laid_out.dtype().itemsize();
        self.flag(columns_first);
        self.leaf(Source::Borrowed(numpy::data(&laid_out), length));
        self.keep.push(Box::new(laid_out.unbind()));
        Ok(())
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
        match &self.no_pickle {
            None => self.pickle(value),
            Some(reason) => Err(Failure::unhandled(format!(
                "a value that needs pickle, and {reason}"
            ))),
        }
    }
}

fn walk_items<'py>(
    sink: &mut DraftSink<'py>,
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

fn walk_dict<'py>(sink: &mut DraftSink<'py>, items: &Bound<'py, PyDict>) -> Walk<()> {
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

fn walk_members<'py>(sink: &mut DraftSink<'py>, tag: u8, set: &Bound<'py, PyAny>) -> Walk<()> {
    sink.tag(tag);
    sink.u64(set.len()? as u64);
    set.try_iter()?.try_for_each(|member| walk(sink, &member?))
}

/// The pickle of a value.
fn dump<'py>(value: &Bound<'py, PyAny>) -> Walk<Bound<'py, PyBytes>> {
    let py = value.py();
    let pickled = py
        .import(intern!(py, "afml_cache.pickling"))?
        .call_method1(intern!(py, "dumps"), (value,));
    let pickled = pickled
        .map_err(|error| Failure::unhandled(format!("a value that can't be pickled ({error})")))?;
    Ok(pickled.cast_into::<PyBytes>().map_err(PyErr::from)?)
}
