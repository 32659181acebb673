//! Two at once: on one machine, and from two machines.
