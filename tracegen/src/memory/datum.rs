//! The scalar types that modelled memory holds.

/// A scalar with the same size and bytes on every platform (little-endian).
pub trait Datum: Copy + Default + Send + 'static {
    /// Bytes in memory.
    const BYTES: u32;

    /// Reads it from the first bytes of `bytes`; missing bytes are zero.
    fn read(bytes: &[u8]) -> Self;

    /// Writes it over the first bytes of `bytes`, as far as they go.
    fn write(self, bytes: &mut [u8]);
}

macro_rules! datum {
    ($($type:ty),*) => {$(
        impl Datum for $type {
            const BYTES: u32 = size_of::<$type>() as u32;

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$type>()];
                own.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Self::from_le_bytes(own)
            }

            #[inline]
            fn write(self, bytes: &mut [u8]) {
                bytes.iter_mut().zip(self.to_le_bytes()).for_each(|(to, from)| *to = from);
            }
        }
    )*};
}

datum!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
