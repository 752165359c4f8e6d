//! One walk over a value, two places it can go: a digest, or a payload.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Why a value could not be walked.
#[derive(Debug)]
pub enum Failure {
    /// It is of a kind that is not handled; the path leads from the argument to it.
    Unhandled(Box<Unhandled>),
    /// Looking at it raised.
    Python(PyErr),
}

/// A value that is not handled.
#[derive(Debug)]
pub struct Unhandled {
    path: Vec<String>,
    /// What it is, and why that can't be.
    pub reason: String,
    /// What was raised on the way.
    pub cause: Option<PyErr>,
}

/// How many segments of a path are shown at each of its ends.
const SHOWN: usize = 20;

/// What every step of a walk returns.
pub type Walk<T> = Result<T, Failure>;

impl Unhandled {
    /// The path as one would write it: `['model'][0]`; the middle of a very long one is left out.
    pub fn path(&self) -> String {
        let segments: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        if segments.len() <= 2 * SHOWN {
            return segments.concat();
        }
        let (first, last) = (&segments[..SHOWN], &segments[segments.len() - SHOWN..]);
        let left_out = segments.len() - 2 * SHOWN;
        format!("{}...({left_out} more)...{}", first.concat(), last.concat())
    }
}

impl Failure {
    /// A value of a kind that is not handled.
    pub fn unhandled(reason: impl Into<String>) -> Self {
        Self::refused(reason, None)
    }

    /// The same, for a reason that an exception gave.
    pub fn refused(reason: impl Into<String>, cause: Option<PyErr>) -> Self {
        Self::Unhandled(Box::new(Unhandled {
            path: Vec::new(),
            reason: reason.into(),
            cause,
        }))
    }

    /// The same, with what such a value would need.
    pub fn because(mut self, needed: &str) -> Self {
        if let Self::Unhandled(unhandled) = &mut self {
            unhandled.reason = format!("{}, which {needed}", unhandled.reason);
        }
        self
    }

    /// The same, seen from the value that holds this one.
    pub fn within(mut self, segment: impl FnOnce() -> String) -> Self {
        if let Self::Unhandled(unhandled) = &mut self {
            unhandled.path.push(segment());
        }
        self
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<pyo3::CastError<'_, '_>> for Failure {
    fn from(error: pyo3::CastError<'_, '_>) -> Self {
        Self::Python(error.into())
    }
}

/// Python packages whose objects can turn up in a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packages(u8);

impl Packages {
    pub const NUMPY: Self = Self(1);
    pub const PANDAS: Self = Self(2);
    pub const POLARS: Self = Self(4);
    pub const PYARROW: Self = Self(8);

    /// Takes the others in.
    pub fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Their names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (Self::NUMPY, "numpy"),
            (Self::PANDAS, "pandas"),
            (Self::POLARS, "polars"),
            (Self::PYARROW, "pyarrow"),
        ];
        all.into_iter()
            .filter(move |(package, _)| self.0 & package.0 != 0)
            .map(|(_, name)| name)
    }
}

/// A plain container of the language.
pub enum Container<'a, 'py> {
    Tuple(&'a Bound<'py, PyTuple>),
    List(&'a Bound<'py, PyList>),
    Dict(&'a Bound<'py, PyDict>),
    /// A set, by its tag.
    Set(u8),
}

/// Where the parts of a value go.
pub trait Sink<'py>: Sized {
    /// Whether layout and history are left out: true for digests, false for payloads.
    const CANONICAL: bool;

    /// A type tag.
    fn tag(&mut self, tag: u8);
    /// A count, length or unsigned number.
    fn u64(&mut self, value: u64);
    /// A signed number.
    fn i64(&mut self, value: i64);
    /// A float, bit for bit.
    fn f64(&mut self, value: f64);
    /// Bytes behind their length.
    fn bytes(&mut self, bytes: &[u8]);

    /// Text behind its length.
    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A yes or no.
    fn flag(&mut self, flag: bool) {
        self.tag(u8::from(flag));
    }

    /// Any value.
    fn value(&mut self, value: &Bound<'py, PyAny>) -> Walk<()>;

    /// A container, whose items are values.
    fn container(&mut self, value: &Bound<'py, PyAny>, container: Container<'_, 'py>) -> Walk<()>;

    /// A value with parts of its own: walked once, however often it is met.
    fn composite(
        &mut self,
        value: &Bound<'py, PyAny>,
        body: impl FnOnce(&mut Self) -> Walk<()>,
    ) -> Walk<()>;

    /// The memory of a NumPy array of a plain dtype.
    fn array(&mut self, array: &Bound<'py, numpy::PyUntypedArray>) -> Walk<()>;

    /// What an array is beside its content: whether it is read-only, and lies in a file.
    fn manners(&mut self, _array: &Bound<'py, PyAny>) -> Walk<()> {
        Ok(())
    }

    /// The cells of a pandas frame.
    fn cells(&mut self, frame: &Bound<'py, PyAny>) -> Walk<()>;

    /// Bytes that something native holds; `owner` keeps them where they are.
    fn borrowed<O: Send + Sync + 'static>(
        &mut self,
        py: Python<'py>,
        owner: O,
        bytes: impl FnOnce(&O) -> &[u8],
    );

    /// A value of a kind that is not handled in Rust.
    fn other(&mut self, value: &Bound<'py, PyAny>) -> Walk<()>;

    /// An object of this package was met.
    fn met(&mut self, _package: Packages) {}

    /// A frame, series, index or table was met: it may say when something was.
    fn met_times(&mut self, _value: &Bound<'py, PyAny>) {}
}

/// The failure for a value of a kind that is not handled.
pub fn not_handled(value: &Bound<'_, PyAny>) -> Failure {
    let kind = value.get_type();
    let name = kind
        .fully_qualified_name()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string());
    Failure::unhandled(format!("a value of type `{name}`"))
}
