//! settings.json: what belongs to the machine stays there.
