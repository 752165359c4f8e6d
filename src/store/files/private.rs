//! What differs between platforms: owners, modes, identities.

#![allow(clippy::disallowed_methods)]

#[cfg(not(unix))]
pub use elsewhere::*;
#[cfg(unix)]
pub use unix::*;

#[cfg(unix)]
mod unix {
    use crate::error::{Error, Kind, Result};
    use crate::store::files::at;
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    pub fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        options
    }

    pub fn create_dir(path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        keep(0o700, &fs::metadata(path)?, |mode| {
            fs::set_permissions(path, mode)
        })
    }

    /// Makes a file private where the process's mask took more away than it should.
    pub fn keep_file(file: &File) -> io::Result<()> {
        keep(0o600, &file.metadata()?, |mode| file.set_permissions(mode))
    }

    fn keep(
        mode: u32,
        found: &fs::Metadata,
        set: impl FnOnce(fs::Permissions) -> io::Result<()>,
    ) -> io::Result<()> {
        if found.permissions().mode() & 0o777 == mode {
            Ok(())
        } else {
            set(fs::Permissions::from_mode(mode))
        }
    }

    pub fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()))
    }

    /// A folder that somebody else owns or may write could be filled with forged payloads.
    pub fn check(path: &Path) -> Result<()> {
        let found = fs::metadata(path).map_err(|error| at(path, "can't be looked at", error))?;
        let (owner, mode) = (found.uid(), found.permissions().mode());
        let me = rustix::process::geteuid().as_raw();
        let wrong = if owner != me {
            format!("belongs to user {owner}, and this process runs as user {me}")
        } else if mode & 0o022 != 0 {
            format!(
                "may be written by others (mode {:o}); run: chmod go-w",
                mode & 0o777
            )
        } else {
            return Ok(());
        };
        let path = path.display();
        let advice = "use a folder of your own, named with AFML_CACHE or configure(cache_dir=...)";
        Err(Error::new(
            Kind::Refused,
            format!("the cache folder `{path}` {wrong}; or {advice}"),
        ))
    }

    pub fn check_secret(file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        let others = found.permissions().mode() & 0o077;
        if found.uid() == rustix::process::geteuid().as_raw() && others == 0 {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others may read it; run: chmod 600",
        ))
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use crate::error::Result;
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::path::Path;

    pub fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options
    }

    pub fn create_dir(path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    pub fn keep_file(_: &File) -> io::Result<()> {
        Ok(())
    }

    pub fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::metadata(path).ok().map(|found| (found.len(), 0))
    }

    pub fn check(_: &Path) -> Result<()> {
        Ok(())
    }

    pub fn check_secret(_: &File) -> io::Result<()> {
        Ok(())
    }
}
