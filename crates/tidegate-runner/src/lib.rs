//! The runner of Tidegate: a flow file in, every record done or dead, resumable
