"""A WebTorrent tracker: it introduces browsers to each other over WebSocket."""
