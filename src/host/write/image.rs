//! An inode as it was: taken before it is changed, and put back.

use crate::host::attributes::{self, Attributes};
use crate::host::{Host, HostError, HostResult, Kind, Stat};
use std::path::{Path, PathBuf};

/// All that is needed to put an inode back as it was.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    Absent,
    File {
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
        #[serde(default, skip_serializing_if = "Attributes::is_empty")]
        attributes: Attributes,
    },
    Dir {
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link(PathBuf),
}

impl Host {
    /// What is at `path` now.
    pub fn image(&self, path: &Path) -> HostResult<Image> {
        let Some(Stat {
            kind,
            mode,
            uid,
            gid,
            ..
        }) = self.stat(path)?
        else {
            return Ok(Image::Absent);
        };
        match kind {
            Kind::Dir => Ok(Image::Dir { mode, uid, gid }),
            Kind::Link => Ok(self.read_link(path)?.map_or(Image::Absent, Image::Link)),
            Kind::File => Ok(match self.read_untrusted(path)? {
                Some(content) => Image::File {
                    content,
                    mode,
                    uid,
                    gid,
                    attributes: self.attributes(path)?,
                },
                None => Image::Absent,
            }),
            Kind::Other => Err(HostError::refused(
                format!("saving {}", path.display()),
                "it is neither a file, a directory nor a link",
            )),
        }
    }

    /// Makes `path` be `image`. A directory is removed only when it is empty; its content is never touched.
    pub fn put(&self, path: &Path, image: &Image) -> HostResult<()> {
        match image {
            Image::Absent => self.remove(path),
            Image::File {
                content,
                mode,
                uid,
                gid,
                attributes,
            } => self.write_whole(path, content, (*mode, *uid, *gid), attributes),
            Image::Dir { mode, uid, gid } => self.make_dir(path, *mode, *uid, *gid),
            Image::Link(target) => self.make_link(path, target),
        }
    }

    /// A file's extended attributes, as far as they can be put back.
    fn attributes(&self, path: &Path) -> HostResult<Attributes> {
        let found = self.place(path)?.map(|place| attributes::read(&place));
        let doing = || format!("reading the attributes of {}", path.display());
        found
            .unwrap_or_else(|| Ok(Attributes::new()))
            .map_err(|e| HostError::errno(doing(), e))
    }
}
