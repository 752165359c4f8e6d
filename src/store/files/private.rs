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
    use rustix::fs::OFlags;
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    /// To write. A link in the place of a file leads to somebody's file elsewhere, and is an error.
    pub fn options() -> OpenOptions {
        let mut options = readable();
        options.write(true).mode(0o600);
        options
    }

    /// To read, without following a link, nor waiting for a pipe that stands in a file's place.
    pub fn readable() -> OpenOptions {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
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

    /// Which file stands there; none where it is a link.
    pub fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::symlink_metadata(path)
            .ok()
            .filter(|found| !found.is_symlink())
            .map(|found| (found.dev(), found.ino()))
    }

    pub fn identity_of(file: &File) -> Option<(u64, u64)> {
        file.metadata().ok().map(|found| (found.dev(), found.ino()))
    }

    pub fn free_bytes(path: &Path) -> Option<u64> {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(found.f_bavail * found.f_frsize)
    }

    /// By the kinds of file system that Linux numbers; others are taken for local.
    #[cfg(target_os = "linux")]
    pub fn is_network(path: &Path) -> bool {
        const NETWORK: [u32; 10] = [
            0x6969,      // NFS
            0xFF53_4D42, // CIFS
            0xFE53_4D42, // SMB2
            0x517B,      // SMB
            0x0BD0_0BD0, // Lustre
            0x00C3_6400, // Ceph
            0x0102_1997, // 9P
            0x5346_414F, // AFS
            0x4750_4653, // GPFS
            0x1983_0326, // BeeGFS
        ];
        let kind = rustix::fs::statfs(path).map(|found| found.f_type);
        kind.is_ok_and(|kind| {
            NETWORK
                .iter()
                .any(|&known| i128::from(kind) == i128::from(known))
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn is_network(_: &Path) -> bool {
        false
    }

    /// Makes a folder of ours private where it is not; it must not be a link, which would have us
    /// write and tidy up elsewhere.
    pub fn check_inner(path: &Path) -> Result<()> {
        let found = fs::symlink_metadata(path);
        if found.is_ok_and(|found| found.is_symlink()) {
            let path = path.display();
            return Err(Error::new(
                Kind::Refused,
                format!(
                    "`{path}` is a symbolic link, which a folder inside of a cache must not be; \
                     remove it, or name the folder it leads to with AFML_CACHE"
                ),
            ));
        }
        check(path)?;
        // Others may not look into it. What its owner has taken from himself stays taken; where this
        // fails, nobody but us can write all the same.
        let _ = fs::metadata(path).and_then(|found| {
            let mode = found.permissions().mode();
            keep(mode & 0o700, &found, |mode| fs::set_permissions(path, mode))
        });
        Ok(())
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
        let mut options = readable();
        options.write(true);
        options
    }

    pub fn readable() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true);
        options
    }

    pub fn check_inner(_: &Path) -> Result<()> {
        Ok(())
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

    pub fn identity_of(file: &File) -> Option<(u64, u64)> {
        file.metadata().ok().map(|found| (found.len(), 0))
    }

    pub fn free_bytes(_: &Path) -> Option<u64> {
        None
    }

    pub fn is_network(_: &Path) -> bool {
        false
    }

    pub fn check(_: &Path) -> Result<()> {
        Ok(())
    }

    pub fn check_secret(_: &File) -> io::Result<()> {
        Ok(())
    }
}
