//! A method that cannot be annotated is an error with the way out, and never silently plain.

macro_rules! block {
    ($ty:ty, $body:block) => {
        #[mcpcat::event]
        impl $ty {
            fn good(&self) -> u8 $body
            fn bad(&self) -> u8;
        }
    };
}

struct A;

block!(A, { 1 });

fn main() {}
