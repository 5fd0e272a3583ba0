//! The shared lists of the gateway (`dmdc`): what each column means, and rows that can be added.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::directory::Directory;

/// Rows of one list.
pub(crate) const LIST_ROWS_MAX: usize = 10_000;
/// Octets of a row that is added, as JSON: what a form of the real lists has, many times over.
pub const ROW_OCTETS_MAX: usize = 4 << 10;

/// Lists with their two columns, and rows of them. Column names beyond `MaDinhDanhCap1` and `TenDonVi` are made up.
type Fixed = (&'static str, [&'static str; 2], &'static [[&'static str; 2]]);
const LISTS: [Fixed; 6] = [
    ("magioitinh", ["MaGioiTinh", "TenGioiTinh"], &[["1", "Nam"], ["2", "Nữ"], ["0", "Chưa rõ"]]),
    (
        "madantoc",
        ["MaDanToc", "TenDanToc"],
        &[["01", "Kinh"], ["02", "Tày"], ["03", "Thái"], ["06", "Khơ-me"]],
    ),
    (
        "matongiao",
        ["MaTonGiao", "TenTonGiao"],
        &[["00", "Không"], ["01", "Phật giáo"], ["02", "Công giáo"]],
    ),
    (
        "maquocgia",
        ["MaQuocGia", "TenQuocGia"],
        &[["VN", "Việt Nam"], ["LA", "Lào"], ["KH", "Campuchia"]],
    ),
    (
        "dokhanvanban",
        ["MaDoKhan", "TenDoKhan"],
        &[["0", "Thường"], ["1", "Khẩn"], ["2", "Thượng khẩn"], ["3", "Hoả tốc"]],
    ),
    (
        "matenvanbanhanhchinh",
        ["MaLoai", "TenLoai"],
        &[["18", "Công văn"], ["19", "Công điện"], ["25", "Giấy mời"]],
    ),
];
const BODIES: (&str, [&str; 2]) = ("qlvanbandieuhanhcap1", ["MaDinhDanhCap1", "TenDonVi"]);

struct List {
    columns: [&'static str; 2],
    rows: Vec<Map<String, Value>>,
}

/// What a column is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Property {
    property_code: &'static str,
    property_name: &'static str,
    property_type: &'static str,
}

/// The lists.
pub(crate) struct Lists(BTreeMap<&'static str, List>);

/// Why a row is not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdded {
    Duplicate,
    NoKey,
    TooLong,
    Full,
}

fn row(columns: [&str; 2], values: [&str; 2]) -> Map<String, Value> {
    let pairs = columns.into_iter().zip(values);
    pairs.map(|(column, value)| (column.to_owned(), Value::from(value))).collect()
}

impl Lists {
    pub(crate) fn new(directory: &Directory) -> Self {
        let fixed = LISTS.iter().map(|(name, columns, rows)| {
            let rows = rows.iter().map(|values| row(*columns, *values)).collect();
            (*name, List { columns: *columns, rows })
        });
        let mut all: BTreeMap<_, _> = fixed.collect();
        let (name, columns) = BODIES;
        let bodies = directory.tops().map(|body| row(columns, [&body.code, &body.name]));
        all.insert(name, List { columns, rows: bodies.collect() });
        Self(all)
    }

    /// The rows of a list as JSON; none if there is no such list.
    pub(crate) fn rows(&self, name: &str) -> Option<Vec<u8>> {
        let list = self.0.get(name)?;
        Some(serde_json::to_vec(&list.rows).expect("texts are JSON"))
    }

    /// What its columns are.
    pub(crate) fn columns(&self, name: &str) -> Option<Vec<u8>> {
        let columns = self.0.get(name)?.columns.map(|code| Property {
            property_code: code,
            property_name: code,
            property_type: "string",
        });
        Some(serde_json::to_vec(&columns).expect("texts are JSON"))
    }

    /// Adds a row, by its first column; none if there is no such list.
    pub(crate) fn add(
        &mut self,
        name: &str,
        row: Map<String, Value>,
    ) -> Option<Result<(), NotAdded>> {
        let list = self.0.get_mut(name)?;
        let key = list.columns[0];
        let Some(value) = row.get(key).filter(|value| value.is_string()) else {
            return Some(Err(NotAdded::NoKey));
        };
        if list.rows.iter().any(|known| known.get(key) == Some(value)) {
            return Some(Err(NotAdded::Duplicate));
        }
        if list.rows.len() >= LIST_ROWS_MAX {
            return Some(Err(NotAdded::Full));
        }
        list.rows.push(row);
        Some(Ok(()))
    }
}
