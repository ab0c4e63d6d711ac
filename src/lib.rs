//! Facade.
extern crate self as nanolith;
pub use nanolith_core::*;
pub use nanolith_macros::*;
#[doc(hidden)]
pub mod __private {
    pub use nanolith_core::__private::*;
    #[cfg(feature = "wire")]
    pub use serde;
}
pub mod prelude {
    //! Prelude.
    pub use nanolith_core::{*, time::{MILLISECOND, SECOND, MINUTE}};
    pub use nanolith_macros::*;
}
