//! The boundary between a configured policy and the monomorphised arrays.

use super::array::{Array, Evicted, Geometry, Key, PlaceError};
use super::{Policy, SetIndex, for_each_policy};

/// An array with tags of the narrowest type that its keys fit.
#[derive(Debug, Clone)]
pub enum Widths<V, P> {
    /// 32 bits.
    Narrow(Array<u32, V, P>),
    /// 64 bits.
    Usual(Array<u64, V, P>),
    /// 128 bits.
    Wide(Array<u128, V, P>),
}

macro_rules! set_associative {
    ($($(#[doc = $doc:literal])* $module:ident $Type:ident)*) => {
        /// A set-associative array under any policy; see [`Array`] for what the operations do.
        #[derive(Debug, Clone)]
        pub enum SetAssociative<V> {
            $($(#[doc = $doc])* $Type(Widths<V, super::$module::$Type>),)*
        }

        impl<V: Copy + Default> SetAssociative<V> {
            /// An empty array. `seed` is the structure's own (see [`component_seed`]).
            ///
            /// [`component_seed`]: super::component_seed
            ///
            /// # Errors
            /// Where the policy cannot rank that many ways.
            pub fn new(policy: &Policy, geometry: Geometry, seed: u64) -> Result<Self, String> {
                policy.check(geometry.ways)?;
                Ok(match policy {
                    $(Policy::$Type(settings) => Self::$Type({
                        if Array::<u32, V, super::$module::$Type>::fits(geometry) {
                            Widths::Narrow(Array::new(geometry, settings, seed))
                        } else if Array::<u64, V, super::$module::$Type>::fits(geometry) {
                            Widths::Usual(Array::new(geometry, settings, seed))
                        } else {
                            Widths::Wide(Array::new(geometry, settings, seed))
                        }
                    }),)*
                })
            }
        }

        macro_rules! each {
            ($self:expr, $array:ident => $body:expr) => {
                match $self {
                    $(
                        SetAssociative::$Type(Widths::Narrow($array)) => $body,
                        SetAssociative::$Type(Widths::Usual($array)) => $body,
                        SetAssociative::$Type(Widths::Wide($array)) => $body,
                    )*
                }
            };
        }
    };
}
for_each_policy!(set_associative);

impl<V: Copy + Default> SetAssociative<V> {
    /// See [`Array::lookup`].
    #[inline]
    pub fn lookup(&mut self, key: Key) -> Option<&mut V> {
        each!(self, array => array.lookup(key))
    }

    /// See [`Array::probe`].
    #[inline]
    pub fn probe(&self, key: Key) -> Option<&V> {
        each!(self, array => array.probe(key))
    }

    /// See [`Array::probe_mut`].
    #[inline]
    pub fn probe_mut(&mut self, key: Key) -> Option<&mut V> {
        each!(self, array => array.probe_mut(key))
    }

    /// See [`Array::fill`].
    #[inline]
    pub fn fill(&mut self, key: Key, value: V) -> Option<Evicted<V>> {
        each!(self, array => array.fill(key, value))
    }

    /// See [`Array::invalidate`].
    pub fn invalidate(&mut self, key: Key) -> Option<V> {
        each!(self, array => array.invalidate(key))
    }

    /// See [`Array::retain`].
    pub fn retain(&mut self, keep: impl FnMut(Key, &V) -> bool) -> u64 {
        each!(self, array => array.retain(keep))
    }

    /// See [`Array::entries`].
    pub fn entries(&self) -> Box<dyn Iterator<Item = (usize, usize, Key, &V)> + '_> {
        each!(self, array => Box::new(array.entries()))
    }

    /// See [`Array::place`].
    ///
    /// # Errors
    /// As [`Array::place`].
    pub fn place(
        &mut self,
        set: usize,
        way: usize,
        tag: u64,
        context: u32,
        value: V,
    ) -> Result<(), PlaceError> {
        each!(self, array => array.place(set, way, tag, context, value))
    }

    /// See [`Array::index`].
    pub fn index(&self) -> SetIndex {
        each!(self, array => array.index())
    }
}
