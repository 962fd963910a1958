//! The key by which a server can tell a repeated request from a new one.

use crate::record::Record;

/// The name under which it is sent, as in the IETF draft `draft-ietf-httpapi-idempotency-key-header`.
pub(crate) const HEADER: http::HeaderName = http::HeaderName::from_static("idempotency-key");

/// The same for every attempt of one call, in this run and in a resumed one; different for every record, occurrence of its
/// key, step, item of an `each`, and generation of `dead retry` (a mended body under an old key would be refused).
pub(crate) fn key(journal: &[u8; 16], record: &Record, step: &str, item: Option<usize>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(journal).update(&record.identity);
    hasher
        .update(&record.occurrence.to_le_bytes())
        .update(&record.generation.to_le_bytes());
    hasher
        .update(&item.map_or(u64::MAX, |item| item as u64).to_le_bytes())
        .update(step.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
