//! Scopes, from their public face.

mod basics;
mod support;
