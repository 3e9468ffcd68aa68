//! The policy of an array: one of them all.

use super::{Name, Policy, Replacement, Shape, for_each_policy};

macro_rules! ranking {
    ($($(#[doc = $doc:literal])* $name:literal $module:ident $Type:ident)*) => {
        /// The state of any policy, for arrays that are not compiled once for each. Which one it is never
        /// changes, so that the host predicts the branch on it.
        #[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
        pub(super) enum Ranking {
            $($(#[doc = $doc])* $Type(super::$module::$Type),)*
        }

        impl Replacement for Ranking {
            type Settings = Policy;

            fn check(policy: &Policy, ways: u32) -> Result<(), String> {
                policy.check(ways)
            }

            fn new(policy: &Policy, shape: Shape, seed: u64) -> Self {
                match policy {
                    $(Policy::$Type(settings) => {
                        Self::$Type(super::$module::$Type::new(settings, shape, seed))
                    })*
                }
            }

            fn start(&self) -> u64 {
                match self {
                    $(Self::$Type(policy) => policy.start(),)*
                }
            }

            #[inline]
            fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
                match self {
                    $(Self::$Type(policy) => policy.touch(word, set, way),)*
                }
            }

            #[inline]
            fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
                match self {
                    $(Self::$Type(policy) => policy.fill(word, set, way),)*
                }
            }

            #[inline]
            fn replace(&mut self, word: &mut u64, set: usize) -> usize {
                match self {
                    $(Self::$Type(policy) => policy.replace(word, set),)*
                }
            }

            fn site(&mut self, site: u64) {
                match self {
                    $(Self::$Type(policy) => policy.site(site),)*
                }
            }

            #[inline]
            fn written(&mut self) {
                match self {
                    $(Self::$Type(policy) => policy.written(),)*
                }
            }

            fn foresee(&mut self, name: Name, way: Option<usize>, next: u64) {
                match self {
                    $(Self::$Type(policy) => policy.foresee(name, way, next),)*
                }
            }

            #[inline(always)]
            fn entering(&mut self, name: Name) {
                match self {
                    $(Self::$Type(policy) => policy.entering(name),)*
                }
            }
        }
    };
}
for_each_policy!(ranking);
