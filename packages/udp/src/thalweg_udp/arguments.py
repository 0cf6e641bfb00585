"""The command line of thalweg-udp. The help is written out once, in HELP; the reference page repeats it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from thalweg_common import command

HELP = """\
thalweg-udp: a BitTorrent tracker over UDP (BEP 15)

Usage:
  thalweg-udp [-c FILE]                 serve until told to stop
  thalweg-udp [-c FILE] --check-config  say whether the configuration is good
  thalweg-udp [-c FILE] --health        ask the running service, as a client would
  thalweg-udp --print-config            print a commented configuration file

Options:
  -c, --config-file FILE  TOML configuration; a file of aquatic_udp works unchanged.
                          Without it: $THALWEG_UDP_CONFIG_FILE, or defaults (port 3000)
  -p, --print-config      print every option with its meaning and default
  -P                      print the configuration in effect, then serve
      --check-config      check file and environment, bind nothing
      --health            exit 0 if every configured address answers within 2 seconds, else 1
      --status-fd N       write a line of JSON a second to this open descriptor
  -v, --version           print the version
  -h, --help              print this

Environment:
  THALWEG_UDP__SECTION__KEY=value goes before the file, for instance
  THALWEG_UDP__NETWORK__ADDRESS_IPV4=0.0.0.0:6969; lists are separated by commas
  THALWEG_UDP_CONFIG_FILE=FILE is used where -c is not, also by --health in a container

Signals:
  TERM, INT    stop: answer what has arrived, then exit; a second one exits at once, with 1
  HUP, USR1    read the access list again; a bad file leaves the old list in use
  USR2         write a scrape export now

Exit codes:
  0  stopped on request, or the thing asked for was done
  1  failure: an address cannot be had, a worker failed, or the service is not healthy
  2  wrong usage or configuration

Examples:
  thalweg-udp --print-config > tracker.toml
  thalweg-udp -c tracker.toml
  THALWEG_UDP__ACCESS_LIST__MODE=allow THALWEG_UDP__ACCESS_LIST__PATH=list.txt thalweg-udp
"""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line; exits with 2 for a wrong one, with 0 for help and version."""
    return command.parse_arguments("thalweg-udp", HELP, arguments)
