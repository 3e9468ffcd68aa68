//! Set duelling: a few sets always follow one of two policies, and the others that whose sets miss less
//! (Qureshi, Jaleel, Patt, Steely and Emer, ISCA 2007, section 5).
//!
//! The sets are cut into as many regions of equal size as each policy has leaders. Region k has the first
//! policy's leader at its place k (modulo its size) and the second's as far from its end: the paper's
//! complement-select where the regions have as many sets as there are regions. Where sets are few, a
//! quarter of them lead for each policy, so that half of them follow; of three or two sets one leads for
//! each; one set alone leads for the first policy, which it therefore always has.
//!
//! A miss in a first leader raises the selector, one in a second leader lowers it, and its highest bit
//! says which policy the followers have. It starts where one more miss of the first policy makes that the
//! second. What the level above writes back is no miss of the program's and does not count.

use super::Shape;

/// Leaders of each policy, as in the paper.
pub(super) const LEADERS: u32 = 32;

/// Bits of the selector, as in the paper.
pub(super) const PSEL_BITS: u8 = 10;

/// What a set does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
enum Role {
    First,
    Second,
    Follower,
}

/// Which of two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) enum Winner {
    First,
    Second,
}

/// The duel of a structure.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Duel {
    roles: Vec<Role>,
    selector: u32,
    /// The largest selector.
    largest: u32,
    /// The next fill does not count.
    written: bool,
}

/// What each of `sets` sets does, with up to `leaders` leaders a policy.
fn roles(sets: usize, leaders: usize) -> Vec<Role> {
    let mut roles = vec![Role::Follower; sets];
    let regions = leaders.min((sets / 4).max(1));
    let size = sets / regions;
    for region in 0..regions {
        let start = region * size;
        let first = region % size;
        // The middle of an odd size is its own complement.
        let second = if 2 * first + 1 == size { (first + 1) % size } else { size - 1 - first };
        roles[start + second] = Role::Second;
        roles[start + first] = Role::First;
    }
    roles
}

impl Duel {
    /// At most `leaders` leaders a policy, and a selector of `bits` bits.
    pub fn new(shape: Shape, leaders: u32, bits: u8) -> Self {
        let largest = u32::MAX >> (32 - u32::from(bits.clamp(1, 16)));
        let roles = roles(shape.sets.max(1), leaders.max(1) as usize);
        Self { roles, selector: largest / 2, largest, written: false }
    }

    /// What is wrong with the parameters, as the end of a sentence about the structure's `replacement`.
    pub fn check(leaders: u32, bits: u8) -> Result<(), String> {
        if leaders == 0 {
            return Err("`leaders` is at least 1".to_owned());
        }
        if (1..=16).contains(&bits) {
            Ok(())
        } else {
            Err(format!("`psel_bits` is from 1 to 16, not {bits}"))
        }
    }

    /// The next fill is a line that the level above writes back.
    #[inline]
    pub fn written(&mut self) {
        self.written = true;
    }

    /// A set is filled: the policy that it follows.
    #[inline]
    pub fn filled(&mut self, set: usize) -> Winner {
        let counts = !std::mem::take(&mut self.written);
        match self.roles[set] {
            Role::First => {
                if counts && self.selector < self.largest {
                    self.selector += 1;
                }
                Winner::First
            }
            Role::Second => {
                self.selector -= u32::from(counts && self.selector > 0);
                Winner::Second
            }
            Role::Follower if self.selector > self.largest / 2 => Winner::Second,
            Role::Follower => Winner::First,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(roles: &[Role], role: Role) -> usize {
        roles.iter().filter(|one| **one == role).count()
    }

    /// The paper's figure 10: 1024 sets in 32 regions; a first leader is a set whose upper five bits are its
    /// lower five, a second one a set whose upper five are the complement of its lower five.
    #[test]
    fn the_papers_leaders() {
        for (set, role) in roles(1024, 32).into_iter().enumerate() {
            let (upper, lower) = (set >> 5, set & 31);
            let expected = match () {
                () if upper == lower => Role::First,
                () if upper == !lower & 31 => Role::Second,
                () => Role::Follower,
            };
            assert_eq!(role, expected, "set {set}");
        }
    }

    #[test]
    fn few_sets_have_leaders_too() {
        for sets in 1..300usize {
            let roles = roles(sets, 32);
            let (first, second) = (count(&roles, Role::First), count(&roles, Role::Second));
            let expected = (sets / 4).clamp(1, 32);
            assert_eq!((first, second), (expected, if sets == 1 { 0 } else { expected }), "{sets}");
        }
        assert_eq!(roles(2, 32), [Role::First, Role::Second]);
        assert_eq!(roles(3, 32), [Role::First, Role::Follower, Role::Second]);
    }

    #[test]
    fn the_selector_decides_and_saturates() {
        let mut duel = Duel::new(Shape { sets: 4, ways: 1 }, 1, 3);
        assert_eq!(duel.roles, [Role::First, Role::Follower, Role::Follower, Role::Second]);
        assert_eq!((duel.selector, duel.filled(1)), (3, Winner::First));
        duel.written();
        assert_eq!((duel.filled(0), duel.selector), (Winner::First, 3), "a write-back");
        assert_eq!((duel.filled(0), duel.filled(2)), (Winner::First, Winner::Second));
        assert_eq!((duel.filled(3), duel.filled(2)), (Winner::Second, Winner::First));
        (0..20).for_each(|_| assert_eq!(duel.filled(0), Winner::First));
        assert_eq!(duel.selector, 7);
        (0..20).for_each(|_| assert_eq!(duel.filled(3), Winner::Second));
        assert_eq!(duel.selector, 0);
    }

    #[test]
    fn impossible_parameters_are_refused() {
        assert!(Duel::check(0, 10).is_err() && Duel::check(1, 0).is_err());
        assert!(Duel::check(1, 17).is_err() && Duel::check(32, 16).is_ok());
    }
}
