"""The command line of thalweg-ws. The help is written out once, in HELP; the reference page repeats it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from thalweg_common import command

HELP = """\
thalweg-ws: a WebTorrent tracker over WebSocket

Usage:
  thalweg-ws [-c FILE]                 serve until told to stop
  thalweg-ws [-c FILE] --check-config  say whether the configuration is good
  thalweg-ws [-c FILE] --health        ask the running service, as a client would
  thalweg-ws --print-config            print a commented configuration file

Options:
  -c, --config-file FILE  TOML configuration; a file of aquatic_ws works unchanged.
                          Without it: $THALWEG_WS_CONFIG_FILE, or defaults (port 3000)
  -p, --print-config      print every option with its meaning and default
  -P                      print the configuration in effect, then serve
      --check-config      check file, environment, certificate and list; bind nothing
      --health            exit 0 if every configured address answers within 2 seconds, else 1
      --status-fd N       write a line of JSON a second to this open descriptor
  -v, --version           print the version
  -h, --help              print this

Environment:
  THALWEG_WS__SECTION__KEY=value goes before the file, for instance
  THALWEG_WS__NETWORK__ADDRESS_IPV4=0.0.0.0:8000; lists are separated by commas
  THALWEG_WS_CONFIG_FILE=FILE is used where -c is not, also by --health in a container

Signals:
  TERM, INT    stop: close all WebSockets, then exit; a second one exits at once, with 1
  HUP, USR1    read the access list and the TLS files again; a bad file leaves the old one in use

Exit codes:
  0  stopped on request, or the thing asked for was done
  1  failure: an address cannot be had, or the service is not healthy
  2  wrong usage or configuration

Examples:
  thalweg-ws --print-config > tracker.toml
  thalweg-ws -c tracker.toml
  THALWEG_WS__NETWORK__TLS_ADDRESSES='[::]:443' THALWEG_WS__NETWORK__TLS_CERTIFICATE_PATH=cert.pem \\
    THALWEG_WS__NETWORK__TLS_PRIVATE_KEY_PATH=key.pem thalweg-ws
"""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line; exits with 2 for a wrong one, with 0 for help and version."""
    return command.parse_arguments("thalweg-ws", HELP, arguments)
