"""What services over TCP share: listeners, PROXY protocol, TLS, the head of an HTTP request, pages, reloads.

Needs trio and h11, which the extra `web` of this distribution brings: thalweg-udp does without.
"""
