//! What the host, the logs and the child processes never see.
