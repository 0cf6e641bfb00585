"""thalweg-udp: a BitTorrent tracker over UDP (BEP 15)."""
