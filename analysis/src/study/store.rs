//! A study's directory: finished points by what they are the result of, and the heat samples of the
//! traces. A point's name is a hash of all that its result depends on, so that any number of processes
//! can fill one directory and a study that is started again knows what it has.

use std::fs;
use std::path::{Path, PathBuf};

use super::point::Point;
use super::sealed::{self, seal, unseal};
use crate::error::Error;
use crate::heat::HeatSample;

/// The results directory of a study.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// A point and where it is stored.
pub type Addressed = (u128, Point);

/// What became of asking for a file.
pub enum Found<T> {
    /// It is there and sound.
    Sound(T),
    /// There is none.
    Missing,
    /// It is damaged; says how.
    Damaged(String),
}

impl Store {
    /// The store in `root`, which is made if it is missing.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(root: &Path) -> Result<Self, Error> {
        for part in ["points", "traces", "charts"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(Error::io(&path))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The store that exists in `root`.
    ///
    /// # Errors
    /// There is none.
    pub fn open(root: &Path) -> Result<Self, Error> {
        if root.join("points").is_dir() {
            return Ok(Self { root: root.to_owned() });
        }
        Err(Error::results(root, "there are no results here; expected the directory of a sweep"))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn point_path(&self, address: u128) -> PathBuf {
        self.root.join("points").join(format!("{address:032x}.point"))
    }

    fn heat_path(&self, trace: u128) -> PathBuf {
        self.root.join("traces").join(format!("{trace:032x}.heat"))
    }

    /// The point stored at `address`.
    ///
    /// # Errors
    /// The file system's.
    pub fn point(&self, address: u128) -> Result<Found<Point>, Error> {
        read(&self.point_path(address))
    }

    /// Stores a point.
    ///
    /// # Errors
    /// The file system's.
    pub fn put_point(&self, address: u128, point: &Point) -> Result<(), Error> {
        put(&self.point_path(address), point)
    }

    /// The heat sample of a trace.
    ///
    /// # Errors
    /// The file system's.
    pub fn heat(&self, trace: u128) -> Result<Found<HeatSample>, Error> {
        read(&self.heat_path(trace))
    }

    /// Stores a trace's heat sample.
    ///
    /// # Errors
    /// The file system's.
    pub fn put_heat(&self, trace: u128, heat: &HeatSample) -> Result<(), Error> {
        put(&self.heat_path(trace), heat)
    }

    /// Every sound point with its address, in the order of addresses, and a message for each damaged
    /// file.
    ///
    /// # Errors
    /// The file system's.
    pub fn points(&self) -> Result<(Vec<Addressed>, Vec<String>), Error> {
        let folder = self.root.join("points");
        let (mut addresses, mut points, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let name = entry.map_err(Error::io(&folder))?.file_name();
            let address = name.to_str().and_then(|name| name.strip_suffix(".point"));
            addresses.extend(address.and_then(|hex| u128::from_str_radix(hex, 16).ok()));
        }
        addresses.sort_unstable();
        for address in addresses {
            match self.point(address)? {
                Found::Sound(point) => points.push((address, point)),
                Found::Missing => {}
                Found::Damaged(message) => messages.push(message),
            }
        }
        Ok((points, messages))
    }
}

fn read<T: bincode::Decode<()>>(path: &Path) -> Result<Found<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(match unseal(&bytes) {
            Ok(value) => Found::Sound(value),
            Err(broken) => Found::Damaged(format!("{}: {broken}", path.display())),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(error) => Err(Error::io(path)(error)),
    }
}

fn put<T: bincode::Encode>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes = seal(value).map_err(|error| Error::results(path, error))?;
    sealed::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_and_damaged_ones_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let point = Point { trace: 7, ..Point::default() };
        store.put_point(1, &point).unwrap();
        store.put_point(2, &point).unwrap();
        let path = store.point_path(2);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();

        let (points, messages) = store.points().unwrap();
        assert_eq!(points, [(1, point)]);
        assert!(messages.len() == 1 && messages[0].contains("checksum"), "{messages:?}");
        assert!(matches!(store.point(3).unwrap(), Found::Missing));
    }
}
