"""Rules that the chains of all backends share."""
