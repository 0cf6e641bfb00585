"""A BitTorrent tracker over HTTP."""
