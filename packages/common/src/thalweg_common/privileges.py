"""Giving up root after the sockets are bound.

Started as root with `privileges.drop_privileges`, a service binds its ports, reads its secret and its list, and then
becomes an ordinary user for the rest of its life. Call drop() before any thread is started.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from thalweg_common.config import ConfigError


class PrivilegesConfig(Struct, frozen=True):
    """Becoming an ordinary user after the ports are bound."""

    drop_privileges: Annotated[
        bool, Meta(description="When started as root, become the user and group below once the ports are bound.")
    ] = False
    user: Annotated[str, Meta(description="User to become: a name or a number.")] = "nobody"
    group: Annotated[str, Meta(description="Group to become: a name or a number.")] = "nogroup"


def check(config: PrivilegesConfig) -> None:
    """ConfigError when privileges shall be dropped to a user or group that does not exist, or to root."""
    if not config.drop_privileges:
        return
    if _user_id(config.user) == 0:
        raise ConfigError(f'privileges.user: expected a user other than root, got "{config.user}"')
    _group_id(config.group)


def drop(config: PrivilegesConfig) -> bool:
    """Becomes the configured user and group; False when there was nothing to do. OSError when refused."""
    if not config.drop_privileges or os.geteuid() != 0:
        return False
    user, group = _user_id(config.user), _group_id(config.group)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    return True


def _user_id(name: str) -> int:
    import pwd  # only services that drop privileges need the databases

    return _id_of("user", name, lambda: pwd.getpwnam(name).pw_uid)


def _group_id(name: str) -> int:
    import grp

    return _id_of("group", name, lambda: grp.getgrnam(name).gr_gid)


def _id_of(what: str, name: str, look_up: Callable[[], int]) -> int:
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return look_up()
    except KeyError as error:
        raise ConfigError(f'privileges.{what}: expected a {what} of this system, got "{name}"') from error
