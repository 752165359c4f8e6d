//! The parts of a Python function that can be swapped: code, defaults and keyword defaults.
//!
//! Every call compares them for each function that it reaches. As attributes they cost some 13 ns
//! each; the interpreter's own functions cost 1 or 2. Those are exported by every CPython, though not
//! promised to extensions like this one, so they are looked up when the module runs, and attributes
//! are read where one is missing.

use pyo3::ffi::PyObject;
use pyo3::intern;
use pyo3::prelude::*;
use std::sync::OnceLock;

type Get = unsafe extern "C" fn(*mut PyObject) -> *mut PyObject;

/// The three getters, in the order in which `Body` keeps what they give.
const NAMES: [&std::ffi::CStr; 3] = [
    c"PyFunction_GetCode",
    c"PyFunction_GetDefaults",
    c"PyFunction_GetKwDefaults",
];

fn getters() -> Option<&'static [Get; 3]> {
    static GETTERS: OnceLock<Option<[Get; 3]>> = OnceLock::new();
    GETTERS
        .get_or_init(|| {
            let [code, defaults, keywords] = NAMES.map(find);
            Some([code?, defaults?, keywords?])
        })
        .as_ref()
}

#[cfg(unix)]
fn find(name: &std::ffi::CStr) -> Option<Get> {
    // SAFETY: the name ends in a zero; what is found under it has had this type since Python 2.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!found.is_null()).then(|| std::mem::transmute::<*mut libc::c_void, Get>(found))
    }
}

#[cfg(not(unix))]
fn find(_: &std::ffi::CStr) -> Option<Get> {
    None
}

/// Whether a function, made by a `def` or `lambda`, still has these parts.
pub fn has_parts(function: &Bound<'_, PyAny>, parts: &[Py<PyAny>; 3]) -> PyResult<bool> {
    let py = function.py();
    if let Some(getters) = getters() {
        return Ok(getters.iter().zip(parts).all(|(get, then)| {
            // SAFETY: the object is a function, which describing its code has made sure of; what
            // is lent is only compared. A part that is missing is null.
            let now = unsafe { get(function.as_ptr()) };
            now == then.as_ptr() || now.is_null() && then.is_none(py)
        }));
    }
    let names = [
        intern!(py, "__code__"),
        intern!(py, "__defaults__"),
        intern!(py, "__kwdefaults__"),
    ];
    for (name, then) in names.into_iter().zip(parts) {
        if !function.getattr(name)?.is(then) {
            return Ok(false);
        }
    }
    Ok(true)
}
