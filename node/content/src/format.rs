//! The directory of the store: its version, and its making.

use std::io;

use crate::{Disk, Error, disk::Write};

/// The version of the directory.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_NEW: &str = "format.new";

/// Reads the directory's version, or writes it into an empty directory.
pub(crate) async fn check(disk: &dyn Disk) -> Result<(), Error> {
    match disk.open(FORMAT_FILE).await {
        Ok(file) => {
            let text = file.read(0, 64).await.map_err(Error::disk("read its format"))?;
            let text = std::str::from_utf8(&text).map_err(|_| Error::FormatDamaged)?;
            let found: u32 = text
                .trim_end()
                .strip_prefix("lgsp content ")
                .and_then(|number| number.parse().ok())
                .ok_or(Error::FormatDamaged)?;
            if found > FORMAT {
                return Err(Error::Format { found, known: FORMAT });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(disk).await.map_err(Error::disk("make its directory ready"))
        }
        Err(source) => Err(Error::Disk { what: "open its format", source }),
    }
}

async fn make(disk: &dyn Disk) -> io::Result<()> {
    disk.make_dir("segments").await?;
    disk.make_dir("spaces").await?;
    let file = disk.create(FORMAT_NEW).await?;
    let bytes = format!("lgsp content {FORMAT}\n").into();
    file.write(vec![Write { offset: 0, bytes }], true).await?;
    disk.rename(FORMAT_NEW, FORMAT_FILE).await?;
    disk.sync_dir("").await
}
