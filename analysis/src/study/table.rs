//! All points in one table: a row a point, every key, every statistic. As CSV and as Parquet.

use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::key::compare_all;
use super::point::Point;
use crate::measured::Number;

/// A table of points, sorted by their keys. Nothing in it depends on the host or the hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    keys: Vec<String>,
    statistics: Vec<String>,
    rows: Vec<(Vec<String>, Vec<Option<Number>>)>,
}

impl Table {
    /// The table of `points`.
    pub fn new(points: &[Point]) -> Self {
        let mut points: Vec<&Point> = points.iter().collect();
        points.sort_by(|a, b| compare_all(&a.keys, &b.keys));
        let keys =
            union(points.iter().map(|point| point.keys.iter().map(|(path, _)| path.clone())));
        let columns: Vec<Vec<(String, Number)>> =
            points.iter().map(|point| point.measured.columns().collect()).collect();
        let statistics =
            union(columns.iter().map(|columns| columns.iter().map(|(name, _)| name.clone())));
        let rows = points
            .iter()
            .zip(&columns)
            .map(|(point, columns)| {
                let cells = keys.iter().map(|path| point.key(path).to_owned()).collect();
                let value = |(at, name): (usize, &String)| {
                    // Points of one study mostly have the same columns: look there first.
                    let same = columns.get(at).filter(|(own, _)| own == name);
                    let found = same.or_else(|| columns.iter().find(|(own, _)| own == name));
                    found.map(|(_, value)| *value)
                };
                (cells, statistics.iter().enumerate().map(value).collect())
            })
            .collect();
        Self { keys, statistics, rows }
    }

    /// A table of these columns, keys before statistics, and rows as they are.
    pub fn of(
        keys: Vec<String>,
        statistics: Vec<String>,
        rows: Vec<(Vec<String>, Vec<Option<Number>>)>,
    ) -> Self {
        Self { keys, statistics, rows }
    }

    /// As comma-separated values with a header.
    ///
    /// # Errors
    /// What the writer says.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.keys.iter().chain(&self.statistics))?;
        for (keys, values) in &self.rows {
            let values =
                values.iter().map(|value| value.map(|value| value.to_string()).unwrap_or_default());
            writer.write_record(keys.iter().cloned().chain(values))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }

    /// As Parquet: keys are strings, counts unsigned 64-bit integers, the rest doubles.
    ///
    /// # Errors
    /// What the writer says.
    pub fn parquet(&self) -> Result<Vec<u8>, parquet::errors::ParquetError> {
        let properties = WriterProperties::builder()
            .set_created_by("faultline".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut bytes = Vec::new();
        let mut writer =
            SerializedFileWriter::new(&mut bytes, self.schema()?, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        for at in 0..self.keys.len() {
            let values: Vec<ByteArray> =
                self.rows.iter().map(|(keys, _)| keys[at].as_str().into()).collect();
            write_column::<ByteArrayType>(&mut group, &values, None)?;
        }
        for at in 0..self.statistics.len() {
            let cells = || self.rows.iter().map(|(_, values)| values[at]);
            let present: Vec<i16> = cells().map(|value| i16::from(value.is_some())).collect();
            if self.is_real(at) {
                let values: Vec<f64> = cells().flatten().map(Number::as_f64).collect();
                write_column::<DoubleType>(&mut group, &values, Some(&present))?;
            } else {
                let bits = |value| match value {
                    // The column is declared unsigned: its bits are kept.
                    Number::Count(count) => count.cast_signed(),
                    Number::Real(_) => 0,
                };
                let values: Vec<i64> = cells().flatten().map(bits).collect();
                write_column::<Int64Type>(&mut group, &values, Some(&present))?;
            }
        }
        group.close()?;
        writer.close()?;
        Ok(bytes)
    }

    fn is_real(&self, at: usize) -> bool {
        self.rows.iter().any(|(_, values)| matches!(values[at], Some(Number::Real(_))))
    }

    fn schema(&self) -> Result<TypePtr, parquet::errors::ParquetError> {
        let mut fields = Vec::new();
        for key in &self.keys {
            let field = Type::primitive_type_builder(key, Physical::BYTE_ARRAY)
                .with_repetition(Repetition::REQUIRED)
                .with_converted_type(ConvertedType::UTF8);
            fields.push(Arc::new(field.build()?));
        }
        for (at, name) in self.statistics.iter().enumerate() {
            let field = if self.is_real(at) {
                Type::primitive_type_builder(name, Physical::DOUBLE)
            } else {
                Type::primitive_type_builder(name, Physical::INT64)
                    .with_converted_type(ConvertedType::UINT_64)
            };
            fields.push(Arc::new(field.with_repetition(Repetition::OPTIONAL).build()?));
        }
        Ok(Arc::new(Type::group_type_builder("point").with_fields(fields).build()?))
    }
}

fn write_column<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
    present: Option<&[i16]>,
) -> Result<(), parquet::errors::ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, present, None)?;
        column.close()?;
    }
    Ok(())
}

/// Every name, in the order of the first list that has it.
fn union(lists: impl Iterator<Item = impl Iterator<Item = String>>) -> Vec<String> {
    let (mut names, mut known) = (Vec::new(), std::collections::HashSet::new());
    for name in lists.flatten() {
        if known.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::sample;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    #[test]
    fn csv_has_every_key_and_statistic_sorted_by_key() {
        let mut points = sample::view(2, 2, 2).points;
        points.reverse();
        let text = String::from_utf8(Table::new(&points).csv().unwrap()).unwrap();
        let mut lines = text.lines();
        let head = lines.next().unwrap();
        assert!(head.starts_with("workload,mmu.tlb.stlb.entries,mmu.page_size,run.accesses"));
        for name in ["cycles.walk", "dtlb.mpki", "access_cycles.p99", "access_cycles.p99_9"] {
            assert!(head.split(',').any(|column| column == name), "{name}");
        }
        let keys: Vec<_> =
            lines.map(|line| line.splitn(4, ',').take(3).collect::<Vec<_>>()).collect();
        assert_eq!(keys[0], ["bfs", "384", "4KiB"]);
        assert_eq!(keys[1], ["bfs", "384", "2MiB"]);
        assert_eq!(keys[7], ["gups", "768", "2MiB"]);
    }

    #[test]
    fn parquet_reads_back() {
        let mut points = sample::view(2, 2, 1).points;
        points[0].measured.statistics.retain(|entry| entry.name != "run.cycles");
        let bytes = Table::new(&points).parquet().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3].get_string(0).unwrap(), "gups");
        let names = rows[3].get_column_iter().map(|(name, _)| name.clone());
        let at = names.into_iter().position(|name| name == "run.cycles").unwrap();
        let expected = points[3].measured.real("run.cycles");
        assert_eq!(rows[3].get_ulong(at).unwrap() as f64, expected);
        assert!(rows[0].get_ulong(at).is_err(), "a missing value is null");
    }
}
