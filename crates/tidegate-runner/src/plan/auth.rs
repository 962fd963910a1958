//! `auth:` as an `Authorization` header.

use super::{
    compiler::{Compiler, Place},
    names::Reach,
};
use crate::{
    expr::{Position, Text},
    flow::{Auth, Fault, Node},
};

pub(super) fn authorization(
    compiler: &mut Compiler<'_>,
    auth: &Auth,
    service: &str,
) -> Option<Text> {
    match auth {
        Auth::Bearer(Node::Scalar(token)) => {
            let place = Place {
                key: "bearer",
                reach: Reach::Headers,
            };
            compiler.text_behind("Bearer ", token, Position::Header, place)
        }
        Auth::Bearer(_) => None,
        Auth::Basic { user, password } => {
            let (user, at) = compiler.fixed(user, "user")?;
            let (password, _) = compiler.fixed(password, "password")?;
            if user.contains(':') {
                compiler.fault(
                    Fault::error("a user for `basic` holds no `:`")
                        .at(&at)
                        .label("the server would read the rest as the password"),
                );
                return None;
            }
            // Encoded now and kept as a variable: nothing else would redact the encoded pair. No file can mention the
            // name, for it is no word that `env.` may be followed by in the environment of any system.
            let name = format!("tidegate_basic_auth_of_{}", service.replace('-', "_"));
            compiler.keep_secret(
                name.clone(),
                base64(format!("{user}:{password}").as_bytes()),
            );
            Text::compile(&format!("Basic {{{{ env.{name} }}}}"), Position::Header).ok()
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
