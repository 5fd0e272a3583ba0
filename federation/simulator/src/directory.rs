//! The directory of the axis: some hundred bodies, each with its code by Decision 20/2020 and by QCVN 102.
//!
//! The population follows from the seed. Level-1 names are real, the rest is made up; nothing computes one code from the
//! other, as nothing can in reality.

use std::collections::HashMap;

use model::Moment;
use wire::vxp::{Agency, Code, Registration, UnitChange};

use crate::{seed::Seed, time};

/// Bodies, gone ones included. The real directory had 111,339 in October 2025 (section 6).
pub const DIRECTORY_MAX: usize = 150_000;

const BODIES: &str = include_str!("../data/bodies.txt");
/// The province whose bodies are complete, as far as a simulator needs them.
const HOME: &str = "H41";
const HOME_NAME: &str = "Nghệ An";
const DEPARTMENTS: [&str; 15] = [
    "Văn phòng UBND",
    "Sở Nội vụ",
    "Sở Tài chính",
    "Sở Xây dựng",
    "Sở Nông nghiệp và Môi trường",
    "Sở Công Thương",
    "Sở Giáo dục và Đào tạo",
    "Sở Khoa học và Công nghệ",
    "Sở Y tế",
    "Sở Văn hoá, Thể thao và Du lịch",
    "Sở Tư pháp",
    "Sở Ngoại vụ",
    "Sở Dân tộc và Tôn giáo",
    "Thanh tra tỉnh",
    "Ban Quản lý Khu kinh tế",
];
/// Departments of every other province.
const ELSEWHERE: usize = 4;
/// Communes of the home province: Nghệ An has 130 since July 2025.
const COMMUNES: std::ops::RangeInclusive<usize> = 101..=230;
const KINDS: [&str; 4] = ["xã", "xã", "xã", "phường"];
const FIRST: [&str; 12] =
    ["Quỳnh", "Diễn", "Yên", "Đô", "Nam", "Hưng", "Nghi", "Anh", "Tân", "Quế", "Thanh", "Kim"];
const SECOND: [&str; 12] = [
    "Lưu", "Châu", "Thành", "Lương", "Đàn", "Nguyên", "Lộc", "Sơn", "Kỳ", "Phong", "Chương", "Liên",
];

/// A body of the directory.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) code: String,
    pub(crate) code102: String,
    pub(crate) name: String,
    pub(crate) parent: Option<usize>,
    mail: String,
    version: u64,
    is_gone: bool,
    modified_at: Moment,
}

/// Octets of a name or a mail address that is registered; the longest real name has some 150.
const NAME_OCTETS_MAX: usize = 1024;

/// Where a body stands.
pub(crate) type BodyIndex = usize;

/// The directory.
pub(crate) struct Directory {
    bodies: Vec<Body>,
    by_code: HashMap<String, BodyIndex>,
}

/// Why a change of the directory is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Known,
    Unknown,
    NoParent,
    TooLong,
    Full,
}

impl Directory {
    /// The population of a seed, all of it there since a moment.
    pub(crate) fn populate(seed: Seed, at: Moment) -> Self {
        let mut all = Self { bodies: Vec::new(), by_code: HashMap::new() };
        let rows = BODIES.lines().filter(|line| !line.starts_with('#'));
        for row in rows {
            let mut parts = row.splitn(3, ' ');
            let (Some(code), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let title = if kind == "p" { format!("UBND Tỉnh {name}") } else { name.to_owned() };
            let top = all.add(code, &format!("000.00.00.{code}"), &title, None, at);
            let departments = if code == HOME { DEPARTMENTS.len() } else { ELSEWHERE };
            if kind == "m" {
                continue;
            }
            for (number, department) in DEPARTMENTS.iter().enumerate().take(departments) {
                let number = number + 1;
                let name = format!("{department} tỉnh {name}");
                let code102 = format!("000.00.{number:02}.{code}");
                all.add(&format!("{code}.{number:02}"), &code102, &name, Some(top), at);
            }
            if code == HOME {
                all.communes(seed, top, at);
            }
        }
        all
    }

    /// The communes of the home province. Their codes of QCVN 102 are those of their former districts.
    fn communes(&mut self, seed: Seed, top: BodyIndex, at: Moment) {
        for number in COMMUNES {
            let pick = |what: &str, limit| {
                seed.below(&["commune", what], u64::try_from(number).unwrap_or_default(), limit)
            };
            let (kind, district) = (KINDS[pick("kind", KINDS.len())], 20 + pick("district", 21));
            let (first, second) =
                (FIRST[pick("first", FIRST.len())], SECOND[pick("second", SECOND.len())]);
            let name = match number {
                101 => "UBND phường Thành Vinh".to_owned(),
                230 => "UBND xã Lam Thành".to_owned(),
                _ => format!("UBND {kind} {first} {second}"),
            };
            let code102 = format!("{number:03}.{district:02}.00.{HOME}");
            let name = format!("{name}, tỉnh {HOME_NAME}");
            self.add(&format!("{HOME}.{number}"), &code102, &name, Some(top), at);
        }
    }

    fn add(
        &mut self,
        code: &str,
        code102: &str,
        name: &str,
        parent: Option<BodyIndex>,
        modified_at: Moment,
    ) -> BodyIndex {
        let index = self.bodies.len();
        self.by_code.insert(code.to_owned(), index);
        self.by_code.insert(code102.to_owned(), index);
        let mail = format!("{}@vxp.example", code.to_lowercase());
        self.bodies.push(Body {
            code: code.to_owned(),
            code102: code102.to_owned(),
            name: name.to_owned(),
            parent,
            mail,
            version: 1,
            is_gone: false,
            modified_at,
        });
        index
    }

    /// A system that is no body of the population, as hubs and tests are.
    pub(crate) fn join(&mut self, code: &str, at: Moment) -> BodyIndex {
        self.add(code, code, code, None, at)
    }

    /// A body by either of its codes, unless it is gone.
    pub(crate) fn find(&self, code: &str) -> Option<BodyIndex> {
        self.by_code.get(code).copied().filter(|index| !self.bodies[*index].is_gone)
    }

    pub(crate) fn body(&self, index: BodyIndex) -> &Body {
        &self.bodies[index]
    }

    /// Bodies of level 1: ministries and provinces.
    pub(crate) fn tops(&self) -> impl Iterator<Item = &Body> {
        self.bodies.iter().filter(|body| body.parent.is_none() && !body.is_gone)
    }

    fn present(&self) -> impl Iterator<Item = (BodyIndex, &Body)> {
        self.bodies.iter().enumerate().filter(|(_, body)| !body.is_gone)
    }

    /// The rows of `getAgenciesList`: of one body if its identifier is asked for.
    pub(crate) fn list(&self, id: Option<&str>) -> Vec<Agency> {
        let is_asked = |index: BodyIndex| id.is_none_or(|id| id_of(index) == id);
        let rows = self.present().filter(|(index, _)| is_asked(*index));
        let row = |(index, body): (BodyIndex, &Body)| Agency {
            pid: body.parent.map(id_of),
            code: body.code102.clone(),
            old_code: Some(body.code.clone()),
            ..body.row(index)
        };
        rows.map(row).collect()
    }

    /// The rows of `getAgenciesListQD20`, down to a level.
    pub(crate) fn list_qd20(&self, level: u32) -> Vec<Agency> {
        let rows = self.present().filter(|(_, body)| body.parent.is_none() || level > 1);
        let row = |(index, body): (BodyIndex, &Body)| Agency {
            code: body.code.clone(),
            code102: Some(body.code102.clone()),
            ..body.row(index)
        };
        rows.map(row).collect()
    }

    /// The rows of `getSynchronizeUnit`, gone ones too.
    pub(crate) fn changes(&self) -> Vec<UnitChange> {
        let row = |(index, body): (BodyIndex, &Body)| UnitChange {
            id: Some(id_of(index)),
            pid: body.parent.map(id_of),
            code: body.code.clone(),
            name: Some(body.name.clone()),
            mail: Some(body.mail.clone()),
            center_code: Some(body.code.split('.').next().unwrap_or_default().to_owned()),
            version: Some(body.version),
            deleted: Some(body.is_gone),
            modify_date: Some(time::written(body.modified_at)),
            is_agency: Some(true),
        };
        self.bodies.iter().enumerate().map(row).collect()
    }

    /// Adds a body, or brings one back.
    pub(crate) fn register(&mut self, asked: &Registration, at: Moment) -> Result<(), Refusal> {
        let code = asked.code.as_str();
        if asked.name.len().max(asked.mail.len()) > NAME_OCTETS_MAX {
            return Err(Refusal::TooLong);
        }
        if self.find(code).is_some() {
            return Err(Refusal::Known);
        }
        let parent = match asked.pcode.as_str() {
            "" => None,
            parent => Some(self.find(parent).ok_or(Refusal::NoParent)?),
        };
        if let Some(index) = self.by_code.get(code).copied() {
            let body = &mut self.bodies[index];
            (body.is_gone, body.version, body.modified_at) = (false, body.version + 1, at);
            body.name.clone_from(&asked.name);
            return Ok(());
        }
        if self.bodies.len() >= DIRECTORY_MAX {
            return Err(Refusal::Full);
        }
        // Which code of QCVN 102 a new body gets is not found; its own serves as both.
        let index = self.add(code, code, &asked.name, parent, at);
        self.bodies[index].mail.clone_from(&asked.mail);
        Ok(())
    }

    /// Takes a body out.
    pub(crate) fn remove(&mut self, code: &Code, at: Moment) -> Result<(), Refusal> {
        let index = self.find(code.as_str()).ok_or(Refusal::Unknown)?;
        let body = &mut self.bodies[index];
        (body.is_gone, body.version, body.modified_at) = (true, body.version + 1, at);
        Ok(())
    }
}

impl Body {
    fn row(&self, index: BodyIndex) -> Agency {
        Agency {
            id: Some(id_of(index)),
            name: Some(self.name.clone()),
            mail: Some(self.mail.clone()),
            ..Agency::default()
        }
    }
}

/// A body's identifier on the axis.
fn id_of(index: BodyIndex) -> String {
    (index + 1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_population_follows_from_the_seed() {
        let names = |seed| {
            let all = Directory::populate(Seed(seed), Moment(0));
            all.changes().into_iter().map(|row| (row.code, row.name)).collect::<Vec<_>>()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        assert!((300..1000).contains(&names(1).len()), "{}", names(1).len());
    }

    #[test]
    fn a_body_is_found_by_both_codes_until_it_is_gone() {
        let mut all = Directory::populate(Seed(1), Moment(0));
        let by_old = all.find("000.00.08.H41").expect("the department");
        assert_eq!(all.find("H41.08"), Some(by_old));
        assert_eq!(all.body(by_old).name, "Sở Khoa học và Công nghệ tỉnh Nghệ An");
        let code = Code::parse("H41.08").expect("a code");
        assert_eq!(all.remove(&code, Moment(1)), Ok(()));
        assert_eq!((all.find("H41.08"), all.find("000.00.08.H41")), (None, None));
        assert_eq!(all.remove(&code, Moment(1)), Err(Refusal::Unknown));
        let change = all.changes().into_iter().find(|row| row.code == "H41.08").expect("a row");
        assert_eq!((change.deleted, change.version), (Some(true), Some(2)));
    }
}
