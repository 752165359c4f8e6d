//! Values that only a pickle can hold; arrays, frames and large buffers in them stay outside of it.

use super::draft::{DraftSink, Mark};
use super::library::{Class, class_of};
use super::load::Loader;
use super::sink::{Failure, Sink, Walk};
use super::{numpy, tag, walk_guarded};
use crate::py::error::{corrupt, is_interrupt};
use ::numpy::PyUntypedArray;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyType};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers smaller than this are better off within the pickle than in a leaf of their own.
const LEAF_FROM: usize = 1024;

/// Is told of every object of a pickle while it is written, and keeps those that are walked instead.
#[pyclass(frozen, module = "afml_cache._native")]
struct Collector(Mutex<Option<Collected>>);

struct Collected {
    sink: DraftSink,
    begin: Mark,
    /// What stands outside of the pickle, by address: its number there, or none where it can't be
    /// walked. Held, so that no address is used twice.
    outside: HashMap<usize, (Py<PyAny>, Option<u64>)>,
    count: u64,
    /// Whether the instances of a class can be walked.
    classes: HashMap<usize, (Py<PyType>, bool)>,
    buffers: Vec<(Py<PyUntypedArray>, bool)>,
}

/// The pickle of a value, written to this sink.
pub fn dump(mut sink: DraftSink, value: &Bound<'_, PyAny>) -> Walk<DraftSink> {
    let py = value.py();
    sink.tag(tag::PICKLE);
    let begin = sink.mark();
    let collector = Bound::new(py, Collector(Mutex::new(Some(Collected::new(sink, begin)))))?;
    let pickled = py
        .import(intern!(py, "afml_cache.pickling"))?
        .call_method1(intern!(py, "dumps"), (value, &collector))
        .and_then(|pickled| Ok(pickled.cast_into::<PyBytes>()?))
        .map_err(|error| refusal(py, error))?;
    let collected = collector.get().held().take();
    let Collected {
        mut sink, buffers, ..
    } = collected.ok_or_else(|| corrupt("a pickle that was written twice"))?;
    sink.flag(false);
    sink.u64(buffers.len() as u64);
    for (buffer, read_only) in buffers {
        sink.flag(read_only);
        sink.whole(buffer.into_bound(py));
    }
    sink.bytes(pickled.as_bytes());
    Ok(sink)
}

fn refusal(py: Python<'_>, error: PyErr) -> Failure {
    if is_interrupt(py, &error) {
        return Failure::Python(error);
    }
    Failure::refused(
        format!("a value that can't be pickled ({error})"),
        Some(error),
    )
}

#[pymethods]
impl Collector {
    /// The number of an object that stands outside of the pickle; none for what belongs into it.
    fn __call__(&self, value: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        // Taken out: whatever Python code runs meanwhile finds nothing to write to.
        let Some(mut collected) = self.held().take() else {
            return Ok(None);
        };
        let number = collected.place(value);
        *self.held() = Some(collected);
        number
    }

    /// Takes a buffer; false where it is to be written into the pickle.
    fn take(&self, buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = buffer.py();
        // Fails for what does not lie in one piece, which plain pickle then refuses.
        let Ok(raw) = buffer.call_method0(intern!(py, "raw")) else {
            return Ok(false);
        };
        if raw.len()? < LEAF_FROM {
            return Ok(false);
        }
        let read_only: bool = raw.getattr(intern!(py, "readonly"))?.extract()?;
        let bytes = py
            .import(intern!(py, "numpy"))?
            .call_method1(intern!(py, "frombuffer"), (raw, "u1"))?
            .cast_into::<PyUntypedArray>()?;
        match &mut *self.held() {
            Some(collected) => collected.buffers.push((bytes.unbind(), read_only)),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Forgets what it was told, before another attempt.
    fn restart(&self) {
        let mut held = self.held();
        *held = held.take().map(|mut collected| {
            collected.sink.back_to(collected.begin);
            Collected::new(collected.sink, collected.begin)
        });
    }
}

impl Collector {
    fn held(&self) -> MutexGuard<'_, Option<Collected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collected {
    fn new(sink: DraftSink, begin: Mark) -> Self {
        Self {
            sink,
            begin,
            outside: HashMap::new(),
            count: 0,
            classes: HashMap::new(),
            buffers: Vec::new(),
        }
    }

    fn place(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        if !self.is_walkable(value) {
            return Ok(None);
        }
        let address = value.as_ptr().addr();
        if let Some((_, number)) = self.outside.get(&address) {
            return Ok(*number);
        }
        let number = self.walk(value)?;
        self.outside
            .insert(address, (value.clone().unbind(), number));
        Ok(number)
    }

    fn is_walkable(&mut self, value: &Bound<'_, PyAny>) -> bool {
        let class = value.get_type();
        let known = self.classes.entry(class.as_ptr().addr());
        let found = || (class.unbind(), is_of_a_library(value));
        known.or_insert_with(found).1
    }

    /// Writes a value beside the pickle; one with parts that need pickle goes into it as a whole.
    fn walk(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        let mark = self.sink.mark();
        self.sink.flag(true);
        match walk_guarded(&mut self.sink, value) {
            Ok(()) => {
                self.count += 1;
                Ok(Some(self.count - 1))
            }
            Err(Failure::Python(error)) if is_interrupt(value.py(), &error) => Err(error),
            Err(_) => {
                self.sink.back_to(mark);
                Ok(None)
            }
        }
    }
}

fn is_of_a_library(value: &Bound<'_, PyAny>) -> bool {
    matches!(
        class_of(value),
        Some(
            Class::NumpyArray
                | Class::NumpyMasked
                | Class::Pandas(_)
                | Class::PolarsFrame
                | Class::PolarsSeries
                | Class::Arrow(_)
        )
    )
}

/// Loads what `dump` wrote; the seal of the payload was checked.
pub fn load<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py;
    let values = PyList::empty(py);
    while loader.flag()? {
        values.append(loader.value()?)?;
    }
    let buffers = PyList::empty(py);
    for _ in 0..loader.count()? {
        let read_only = loader.flag()?;
        let (bytes, _) = numpy::load_bytes(loader)?;
        if read_only {
            bytes.call_method1("setflags", (false,))?;
        }
        buffers.append(bytes)?;
    }
    let bytes = PyBytes::new(py, loader.bytes()?);
    py.import(intern!(py, "afml_cache.pickling"))?
        .call_method1(intern!(py, "loads"), (bytes, values, buffers))
}
