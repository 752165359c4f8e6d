//! What an error of SQLite means.

use super::connecting::PATIENCE;
use crate::error::{Error, Kind};
use rusqlite::ErrorCode;
use std::path::Path;

/// Whether somebody is in the way, or seems to be: where SQLite can't write what it shares with
/// other processes, it waits for ten seconds for whoever does.
pub fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Whether the connection is of no use after an error.
pub fn is_fatal(error: &rusqlite::Error) -> bool {
    let is_outside = matches!(error, rusqlite::Error::ToSqlConversionFailure(_));
    !is_outside && !is_locked(error) && error.sqlite_error_code() != Some(ErrorCode::DiskFull)
}

/// Whether an error may be that of a statement of ours, and no damage.
pub fn may_be_ours(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation)
    )
}

/// Whether the file is no database, or holds other tables or rows than ours.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    let cut_short = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
    let damaged = matches!(
        code,
        Some(
            ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::Unknown
                | ErrorCode::TypeMismatch
                | ErrorCode::ConstraintViolation
        )
    );
    // A row of other types than ours, or with a wrong mark, has no code.
    let lies = matches!(
        error,
        rusqlite::Error::SqlInputError { .. }
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
    );
    damaged || cut_short || lies
}

/// An error in words, of a database that is called so.
pub fn told(what: &str, path: &Path, error: rusqlite::Error) -> Error {
    let error = match error {
        rusqlite::Error::ToSqlConversionFailure(inner) => match inner.downcast::<Error>() {
            Ok(own) => return *own,
            Err(inner) => rusqlite::Error::ToSqlConversionFailure(inner),
        },
        error => error,
    };
    let shown = path.display();
    let (kind, what) = match error.sqlite_error_code() {
        _ if is_locked(&error) => (
            Kind::Locked,
            format!(
                "the {what} `{shown}` is locked by another process for longer than {PATIENCE:?}"
            ),
        ),
        Some(ErrorCode::DiskFull) => (
            Kind::Io,
            format!("the {what} `{shown}` can't be written (free some disk)"),
        ),
        _ => (Kind::Io, format!("the {what} `{shown}` can't be used")),
    };
    Error::caused(kind, what, error)
}
