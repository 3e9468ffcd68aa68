//! The setting that names a policy: `"lru"`, or `{ policy = "srrip", bits = 2 }`.

use super::{Replacement, for_each_policy};
use crate::config::choice::{NoParameters, choice};

macro_rules! policy {
    ($($(#[doc = $doc:literal])* $name:literal $module:ident $Type:ident)*) => {
        choice! {
            /// A replacement policy with its parameters.
            Policy {
                key: "policy", what: "replacement policy", setting: "cache.replacement",
                schema: "ReplacementPolicy"
            }
            $($(#[doc = $doc])* $name $Type(<super::$module::$Type as Replacement>::Settings))*
        }

        impl Policy {
            /// Whether the policy can rank that many ways.
            ///
            /// # Errors
            /// What is wrong with the parameters or the number of ways.
            pub fn check(&self, ways: u32) -> Result<(), String> {
                match self {
                    $(Self::$Type(settings) => super::$module::$Type::check(settings, ways),)*
                }
            }

            /// Whether a way that has just been filled ranks as one that has just been used.
            pub fn fill_is_use(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::FILL_IS_USE,)*
                }
            }

            /// Whether using a way again at once changes nothing.
            pub fn repeats_are_idle(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::REPEATS_ARE_IDLE,)*
                }
            }

            /// Whether the policy has to be told the site of every access.
            pub fn asks_site(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::ASKS_SITE,)*
                }
            }

            /// Whether the policy has to be told the next use of everything that the program accesses.
            pub fn asks_next_use(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::ASKS_NEXT_USE,)*
                }
            }
        }
    };
}

for_each_policy!(policy);

impl Default for Policy {
    fn default() -> Self {
        Self::Lru(NoParameters {})
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        replacement: Policy,
    }

    fn read(text: &str) -> Result<Policy, String> {
        toml::from_str::<Holder>(&format!("replacement = {text}"))
            .map(|holder| holder.replacement)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_name_or_a_table() {
        assert_eq!(read("\"lru\""), Ok(Policy::default()));
        let srrip = |bits| Ok(Policy::Srrip(super::super::srrip::Settings { bits }));
        assert_eq!(read("\"srrip\""), srrip(2));
        assert_eq!(read("{ policy = \"srrip\", bits = 3 }"), srrip(3));
        assert_eq!(read("{ policy = \"srrip\" }"), srrip(2));
    }

    #[test]
    fn every_policy_survives_being_written() {
        for name in Policy::NAMES {
            let holder = Holder { replacement: read(&format!("\"{name}\"")).unwrap() };
            let text = toml::to_string(&holder).unwrap();
            assert_eq!(toml::from_str::<Holder>(&text).unwrap(), holder, "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        assert!(read("\"lruu\"").unwrap_err().contains("did you mean `lru`"));
        assert!(read("\"?\"").unwrap_err().contains("there are lru, fifo"));
        assert!(read("{ policy = \"srrip\", bit = 3 }").unwrap_err().contains("`bits`"));
        assert!(read("{ policy = \"lru\", bits = 3 }").unwrap_err().contains("`bits`"));
        assert!(read("{ bits = 3 }").unwrap_err().contains("policy"));
        assert!(read("{ policy = \"srrip\", bits = \"x\" }").is_err());
        assert!(read("7").is_err());
    }

    #[test]
    fn the_schema_has_every_name_and_parameter() {
        let text = schemars::schema_for!(Policy).to_value().to_string();
        for name in Policy::NAMES {
            assert!(text.contains(name));
        }
        assert!(text.contains("\"bits\""));
    }
}
