//! The policy of an array: one of them all.

use super::{Policy, Replacement, Shape, for_each_policy};

macro_rules! ranking {
    ($($(#[doc = $doc:literal])* $module:ident $Type:ident)*) => {
        /// The state of an array's policy. Which one it is never changes, so that the host predicts the
        /// branch on it; arrays are not compiled once for each.
        #[derive(Debug, Clone)]
        pub(super) enum Ranking {
            $($(#[doc = $doc])* $Type(super::$module::$Type),)*
        }

        impl Ranking {
            /// As [`Replacement::new`].
            pub fn new(policy: &Policy, shape: Shape, seed: u64) -> Self {
                match policy {
                    $(Policy::$Type(settings) => {
                        Self::$Type(super::$module::$Type::new(settings, shape, seed))
                    })*
                }
            }

            /// As [`Replacement::start`].
            pub fn start(&self) -> u64 {
                match self {
                    $(Self::$Type(policy) => policy.start(),)*
                }
            }

            /// As [`Replacement::touch`].
            #[inline]
            pub fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
                match self {
                    $(Self::$Type(policy) => policy.touch(word, set, way),)*
                }
            }

            /// As [`Replacement::fill`].
            #[inline]
            pub fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
                match self {
                    $(Self::$Type(policy) => policy.fill(word, set, way),)*
                }
            }

            /// As [`Replacement::replace`].
            #[inline]
            pub fn replace(&mut self, word: &mut u64, set: usize) -> usize {
                match self {
                    $(Self::$Type(policy) => policy.replace(word, set),)*
                }
            }
        }
    };
}
for_each_policy!(ranking);
