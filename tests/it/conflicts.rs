//! What cannot merge: the conflict file, the list, the decision.
