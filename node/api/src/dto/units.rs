//! Units: the directory, and what an administrator adds to it.

use machine::{ALIASES_MAX, NewUnit, UNITS_A_COMMAND_MAX, UnitRecord};
use model::{Label, NodeId, UnitCode, UnitKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, admin::ByView, authority::TrustedAuthorities, check::Check, schemas};
use crate::problem::Problem;

/// A unit of the directory.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unit {
    #[schema(schema_with = schemas::unit_code)]
    pub(crate) code: UnitCode,
    #[schema(schema_with = schemas::label)]
    name: Label,
    #[schema(schema_with = schemas::unit_kind)]
    kind: UnitKind,
    /// The unit above it.
    #[schema(schema_with = schemas::unit_code_or_null)]
    parent: Option<UnitCode>,
    /// Other codes of the same unit.
    #[schema(schema_with = schemas::unit_codes)]
    aliases: Vec<UnitCode>,
    #[schema(schema_with = schemas::moment)]
    added_at: At,
    /// Who added it.
    added_by: Option<ByView>,
    /// Who gave it its present name, if that is another than it was added with.
    renamed_by: Option<ByView>,
}

impl From<UnitRecord> for Unit {
    fn from(record: UnitRecord) -> Self {
        Self {
            code: record.code,
            name: record.name,
            kind: record.kind,
            parent: record.parent,
            aliases: record.aliases,
            added_at: At(record.added_at),
            added_by: record.added_by.map(ByView::from),
            renamed_by: record.renamed_by.map(ByView::from),
        }
    }
}

/// One node of the cluster.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiNode {
    #[schema(value_type = u64)]
    pub(crate) node: NodeId,
    /// Where its API is.
    #[schema(example = "https://10.0.0.11:8443")]
    pub(crate) url: String,
}

/// The nodes of the cluster that were not removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiNodes {
    pub(crate) nodes: Vec<ApiNode>,
    /// Whom applications may trust.
    pub(crate) authority: Option<TrustedAuthorities>,
}

/// Units to be added; all or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddUnits {
    #[schema(schema_with = schemas::new_units)]
    units: Vec<AddUnit>,
}

/// A unit to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddUnit {
    #[schema(schema_with = schemas::unit_code)]
    code: String,
    #[schema(schema_with = schemas::label)]
    name: String,
    #[schema(schema_with = schemas::unit_kind)]
    kind: String,
    #[schema(schema_with = schemas::unit_code_or_null)]
    parent: Option<String>,
    #[serde(default)]
    #[schema(schema_with = schemas::aliases)]
    aliases: Vec<String>,
}

impl AddUnits {
    /// The units.
    pub(crate) fn checked(&self) -> Result<Vec<NewUnit>, Problem> {
        let mut check = Check::default();
        check.count("/units", self.units.len(), 1..=UNITS_A_COMMAND_MAX);
        let mut units = Vec::with_capacity(self.units.len());
        for (index, unit) in self.units.iter().enumerate() {
            let at = format!("/units/{index}");
            let code = check.word(format_args!("{at}/code"), &unit.code);
            let name = check.word(format_args!("{at}/name"), &unit.name);
            let kind = check.word(format_args!("{at}/kind"), &unit.kind);
            let parent = check.optional(format_args!("{at}/parent"), unit.parent.as_deref());
            check.count(format_args!("{at}/aliases"), unit.aliases.len(), 0..=ALIASES_MAX);
            let aliases = check.words(&format!("{at}/aliases"), &unit.aliases);
            if let (Some(code), Some(name), Some(kind)) = (code, name, kind) {
                units.push(NewUnit { code, name, kind, parent, aliases });
            }
        }
        check.done(Some(units))
    }
}

/// Another name for a unit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameUnit {
    #[schema(schema_with = schemas::label)]
    name: String,
}

impl RenameUnit {
    /// The name.
    pub(crate) fn checked(&self) -> Result<Label, Problem> {
        let mut check = Check::default();
        let name = check.word("/name", &self.name);
        check.done(name)
    }
}

/// A unit that was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnitRemoved {
    #[schema(schema_with = schemas::unit_code)]
    pub(crate) code: UnitCode,
}

/// How many units were added.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnitsAdded {
    pub(crate) added: usize,
}
