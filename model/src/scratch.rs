//! What a state need not keep: it holds nothing between two records, or nothing that is not found again.

/// Has a type encoded as nothing and decoded as its default. A type that is part of a state derives
/// `Encode` and `Decode` as a whole, or says here that it is none, and why at its declaration.
macro_rules! scratch {
    ($type:ty) => {
        impl bincode::Encode for $type {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                _: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                Ok(())
            }
        }

        impl<Context> bincode::Decode<Context> for $type {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                _: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                Ok(Self::default())
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $type {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                _: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                Ok(Self::default())
            }
        }
    };
}
pub(crate) use scratch;
