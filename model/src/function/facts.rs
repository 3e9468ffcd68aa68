//! What holds for all accesses of a batch: found once, so that it is not asked for every access.

use tracegen::batch::{Aside, Batch};
use tracegen::record::AccessKind;

use super::lane::REMEMBERED;

/// What all accesses of a batch have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// One CPU makes them all, and all are loads or stores.
    pub plain: bool,
    /// The kind of all of them.
    pub kind: Option<AccessKind>,
    /// What lies between them, if it is always as much.
    pub gap: Option<u32>,
    /// The most bytes that one touches; at least 1.
    pub bytes: u64,
    /// No address and no branch depends on a load.
    pub independent: bool,
    /// From this access on, what its loads deliver may be asked for.
    pub asked_from: usize,
}

/// Whether all of `column` equal its first.
fn all_the_same<T: PartialEq + Copy>(column: &[T]) -> Option<T> {
    let first = *column.first()?;
    // Without an early end, so that many are compared at once.
    column.iter().fold(true, |same, other| same & (*other == first)).then_some(first)
}

impl Facts {
    /// Looks at all of `batch`.
    pub fn of(batch: &Batch) -> Self {
        let kind = all_the_same(&batch.kind);
        let loads_and_stores = match kind {
            Some(kind) => matches!(kind, AccessKind::Load | AccessKind::Store),
            None => batch.kind.iter().fold(true, |plain, kind| {
                plain & ((*kind == AccessKind::Load) | (*kind == AccessKind::Store))
            }),
        };
        let plain = loads_and_stores && all_the_same(&batch.cpu).is_some();
        let independent = batch.dep.iter().fold(0, |any, dep| any | dep) == 0
            && batch.asides.iter().all(|(_, aside)| match aside {
                Aside::Branch(branch) => branch.dep == 0,
                Aside::Event(..) => true,
            });
        // Later batches may ask for the last loads. Where there are stores among them, or several CPUs,
        // these can be anywhere.
        let last = plain && independent && kind == Some(AccessKind::Load);
        Self {
            plain,
            kind,
            gap: all_the_same(&batch.gap),
            bytes: batch.size.iter().fold(1, |most, size| most.max(*size)).into(),
            independent,
            asked_from: if last { batch.accesses().saturating_sub(REMEMBERED) } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracegen::record::{Access, Branch};

    fn batch(accesses: &[Access]) -> Batch {
        let mut batch = Batch::new();
        accesses.iter().for_each(|access| batch.push_access(*access));
        batch
    }

    #[test]
    fn one_access_that_differs_is_noticed() {
        let load = Access { size: 8, gap: 3, ..Access::default() };
        let facts = |last: Access| Facts::of(&batch(&[[load; 2000].as_slice(), &[last]].concat()));
        let usual = facts(load);
        let expected = Facts {
            plain: true,
            kind: Some(AccessKind::Load),
            gap: Some(3),
            bytes: 8,
            independent: true,
            asked_from: 2001 - 1024,
        };
        assert_eq!(usual, expected);
        let store = facts(Access { kind: AccessKind::Store, ..load });
        assert_eq!(store, Facts { kind: None, asked_from: 0, ..usual });
        let fetch = facts(Access { kind: AccessKind::Fetch, ..load });
        assert_eq!(fetch, Facts { plain: false, kind: None, asked_from: 0, ..usual });
        let other = facts(Access { cpu: 1, ..load });
        assert_eq!(other, Facts { plain: false, asked_from: 0, ..usual });
        let dependent = facts(Access { dep: 1, ..load });
        assert_eq!(dependent, Facts { independent: false, asked_from: 0, ..usual });
        assert_eq!(facts(Access { size: 64, ..load }), Facts { bytes: 64, ..usual });
        assert_eq!(facts(Access { gap: 4, ..load }), Facts { gap: None, ..usual });
    }

    #[test]
    fn a_branch_may_ask_for_a_load() {
        let mut batch = batch(&[Access::default(); 2000]);
        batch.push_branch(Branch { dep: 0, ..Branch::default() });
        assert!(Facts::of(&batch).independent);
        batch.push_branch(Branch { dep: 1, ..Branch::default() });
        assert_eq!((Facts::of(&batch).independent, Facts::of(&batch).asked_from), (false, 0));
    }

    #[test]
    fn an_empty_batch_has_facts_too() {
        let facts = Facts::of(&Batch::new());
        assert_eq!((facts.kind, facts.gap, facts.bytes), (None, None, 1));
    }
}
