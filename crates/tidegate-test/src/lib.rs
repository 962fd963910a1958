//! Test tools of Tidegate: a misbehaving API and private servers
