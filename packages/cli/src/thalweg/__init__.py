"""thalweg: run, check and load BitTorrent trackers."""
