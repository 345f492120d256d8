import logging
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from broadcaster.registries import several_processes
from broadcaster.registries.memory import MemoryRegistry


@pytest.fixture
def run():
    """Runs code in a process of its own and returns what it printed and what it logged."""

    def run(code, **environ):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.split(), done.stderr

    return run


def test_expired_entries_give_their_memory_back(clock):
    registry = MemoryRegistry(clock=clock)
    for number in range(1_000):
        registry.add(str(number), [str(number)], lifetime=10)
    clock.now += 11
    registry.add("a", lifetime=10)
    assert (len(registry._expires), len(registry._members), len(registry._channels)) == (1, 0, 0)


def test_removed_connections_give_their_memory_back(clock):
    registry = MemoryRegistry(clock=clock)
    for number in range(100):
        registry.add(str(number), [str(number), "admin"])
        registry.add(str(number))
    registry.remove([str(number) for number in range(100)])
    kept = registry._expires, registry._members, registry._channels, registry._everything
    assert list(map(len, kept)) == [0, 0, 0, 0]


def test_one_process_is_nothing_to_warn_about(run):
    printed, logged = run("""
        from broadcaster import MemoryRegistry
        registry = MemoryRegistry()
        registry.add("a=")
        print(list(registry.pages("admin")))
    """)
    assert (printed, logged) == (["[['a=']]"], "")


def test_several_workers_are_warned_about_once_and_pointed_to_the_other_registries(monkeypatch, caplog):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    registry = MemoryRegistry()
    for _ in range(3):
        registry.add("a=")
        list(registry.pages("admin"))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("broadcaster", logging.WARNING)
    for part in ("WEB_CONCURRENCY is 4", "redis://", "dynamodb://", "BROADCASTER_REGISTRY", str(os.getpid())):
        assert part in record.getMessage()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.parametrize("use", ['registry.add("b=")', 'list(registry.pages("admin"))'])
def test_use_after_a_fork_works_and_is_warned_about(run, use):
    printed, logged = run(f"""
        import os
        from broadcaster import MemoryRegistry
        registry = MemoryRegistry()
        registry.add("a=")
        if child := os.fork():
            status = os.waitpid(child, 0)[1]
            registry.add("c=")
            print("parent", status, registry.count())
        else:
            {use}
            {use}
            print("child", registry.count(), flush=True)
            os._exit(0)
    """)
    assert printed[0] == "child"
    assert printed[2:] == ["parent", "0", "2"]
    assert logged.count("before this process was forked") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no timer signals on this platform")
def test_a_signal_handler_may_use_it_whatever_its_thread_was_doing(run):
    printed, _ = run("""
        import signal
        from broadcaster import MemoryRegistry
        registry = MemoryRegistry()
        handled = 0
        def handle(*_):
            global handled
            handled += 1
            registry.add(f"signal-{handled}=", ["logs"])
            registry.add(f"signal-{handled}=")
            listed = sum(registry.pages("logs"), [])
            registry.count()
            registry.remove([f"signal-{handled - 1}=", *listed])
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        number = 0
        while handled < 300:
            number += 1
            registry.add(f"{number % 50}=", ["admin", "logs"])
            registry.add(f"{number % 50}=")
            list(registry.pages("logs"))
            registry.count()
            registry.remove([f"{number % 50}="])
        signal.setitimer(signal.ITIMER_REAL, 0)
        registry.add("a=", ["logs"])
        registry.remove([f"signal-{handled}="])
        print(sum(registry.pages("logs"), []), registry._expires.keys(), registry._members)
    """)
    assert " ".join(printed) == "['a='] dict_keys(['a=']) {'logs': {'a='}}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_forks_in_the_middle_of_registrations_leave_both_sides_whole(run):
    printed, _ = run("""
        import os, threading
        from broadcaster import MemoryRegistry
        registry = MemoryRegistry()
        stop = threading.Event()
        def register():
            number = 0
            while not stop.is_set():
                registry.add(f"{number}=", ["admin", "logs"])
                registry.remove([f"{number}="])
                number += 1
        threads = [threading.Thread(target=register) for _ in range(3)]
        for thread in threads:
            thread.start()
        statuses = []
        def fork():
            for _ in range(10):
                if child := os.fork():
                    statuses.append(os.waitpid(child, 0)[1])
                else:
                    registry.add("child=")
                    os._exit(0 if "child=" in sum(registry.pages("admin"), []) else 1)
        forking = [threading.Thread(target=fork) for _ in range(2)]
        for thread in forking:
            thread.start()
        for thread in forking:
            thread.join()
        stop.set()
        for thread in threads:
            thread.join()
        print(statuses.count(0), registry.count())
    """)
    assert printed == ["20", "0"]


@pytest.fixture(params=["below another process", "process 1 of a container"])
def gunicorn(request):
    """The command that starts gunicorn, in a namespace of its own where processes are counted from 1 too."""
    command = [sys.executable, "-m", "gunicorn"]
    if request.param.startswith("below"):
        return command
    as_first = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*as_first, "true"], capture_output=True).returncode:
        as_first[1:1] = ["--user", "--map-root-user"]
        if shutil.which("unshare") is None or subprocess.run([*as_first, "true"], capture_output=True).returncode:
            pytest.skip("this machine lets nobody make a PID namespace")
    return [*as_first, *command]


def test_a_worker_of_gunicorn_warns_however_the_number_was_configured(tmp_path, gunicorn):
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
            from broadcaster import MemoryRegistry
            registry = MemoryRegistry()
            def app(environ, start_response):
                registry.add("a=")
                start_response("200 OK", [])
                return [b""]
        """)
    )
    # The number of workers is neither on the command line nor in the environment.
    (tmp_path / "gunicorn.conf.py").write_text(
        textwrap.dedent("""
            bind = "127.0.0.1:0"
            workers = 2
            control_socket_disable = True
            def when_ready(server):
                server.log.info("ready on %s", server.LISTENERS[0].getsockname()[1])
        """)
    )
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    server = subprocess.Popen([*gunicorn, "app:app"], cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        seen = _read_until(server.stderr, "Booting worker", times=2)
        port = int(seen.partition("ready on ")[2].split()[0])
        _get(port)
        warning = _read_until(server.stderr, "side by side")
    finally:
        # unshare does not end at a polite signal, and takes its namespace with it at the other.
        server.kill() if gunicorn[0] == "unshare" else server.terminate()
        server.wait()
        server.stderr.close()
    assert "2 processes like this one run side by side" in warning


def _read_until(stream, words, times=1):
    seen = ""
    while seen.count(words) < times:
        line = stream.readline()
        assert line, f"the server ended: {seen}"
        seen += line
    return seen


def _get(port):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    ("argv", "environ", "sign"),
    [
        (["/usr/bin/gunicorn", "-w", "4", "app:app"], {}, "gunicorn was started with 4 workers"),
        (["gunicorn", "-w4", "app:app"], {}, "gunicorn was started with 4 workers"),
        (["gunicorn", "--workers=3", "app:app"], {}, "gunicorn was started with 3 workers"),
        (["/app/gunicorn/__main__.py", "--workers", "3", "app:app"], {}, "gunicorn was started with 3 workers"),
        (["uvicorn", "app:app", "--workers", "2"], {}, "uvicorn was started with 2 workers"),
        ([r"uvicorn.exe", "app:app", "--workers", "2"], {}, "uvicorn was started with 2 workers"),
        (["fastapi", "run", "--workers", "2"], {}, "fastapi was started with 2 workers"),
        (["hypercorn", "-w", "2", "app:app"], {}, "hypercorn was started with 2 workers"),
        (["gunicorn", "app:app"], {"GUNICORN_CMD_ARGS": "--bind=:80 --workers=5"}, "GUNICORN_CMD_ARGS asks for 5"),
        (["app.py"], {"WEB_CONCURRENCY": " 8 "}, "WEB_CONCURRENCY is 8"),
        (["app.py"], {"UVICORN_WORKERS": "2"}, "UVICORN_WORKERS is 2"),
        (["gunicorn", "app:app"], {}, None),
        (["gunicorn", "-w", "1", "app:app"], {"WEB_CONCURRENCY": "1"}, None),
        (["uvicorn", "app:app", "--workers"], {"WEB_CONCURRENCY": "many"}, None),
        (["train.py", "--workers", "8"], {}, None),
        ([""], {}, None),
        ([], {}, None),
    ],
)
def test_the_usual_variables_and_command_lines_are_signs(argv, environ, sign):
    found = several_processes.worker_sign(environ, argv)
    assert found == sign or (sign and found.startswith(sign))


def test_like_processes_under_one_parent_are_a_sign(tmp_path, monkeypatch):
    def process(number, command):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_text(command)

    parent, me = os.getppid(), os.getpid()
    children = tmp_path / str(parent) / "task" / str(parent) / "children"
    children.parent.mkdir(parents=True)
    process(me, "python\0-c\0spawn_main(pipe=7)")
    process(2_000_001, "python\0-c\0spawn_main(pipe=9)")
    process(2_000_002, "python\0-c\0resource_tracker(8)")
    monkeypatch.setattr(sys, "platform", "linux")
    children.write_text(f"{me} 2000002 ")
    assert several_processes.sibling_sign(str(tmp_path)) is None
    children.write_text(f"{me} 2000001 2000002 2000003 ")
    assert several_processes.sibling_sign(str(tmp_path)).startswith("2 processes like this one run side by side")
    assert several_processes.sibling_sign(str(tmp_path / "nothing")) is None


@pytest.mark.parametrize(
    ("first", "is_sign"),
    [
        ("gunicorn: master [app:app]", True),
        ("/usr/local/bin/python3.12\0/usr/local/bin/uvicorn\0app:app\0--workers\0" + "2", True),
        ("/app/.venv/bin/gunicorn\0app:app", True),
        ("/sbin/init", False),
        ("/usr/bin/tini\0--\0sh\0-c\0gunicorn app:app", False),
        ("", False),
    ],
)
def test_the_children_of_process_1_are_alike_by_chance_unless_it_is_a_server(tmp_path, monkeypatch, first, is_sign):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "getppid", lambda: 1)
    (tmp_path / "1" / "task" / "1").mkdir(parents=True)
    (tmp_path / "1" / "task" / "1" / "children").write_text(f"{os.getpid()} 2000001 ")
    for number, command in ((1, first), (os.getpid(), "python\0app.py"), (2_000_001, "python\0app.py")):
        (tmp_path / str(number)).mkdir(exist_ok=True)
        (tmp_path / str(number) / "cmdline").write_text(command)
    assert bool(several_processes.sibling_sign(str(tmp_path))) is is_sign


def test_each_of_a_few_is_the_first_in_turn():
    registry = MemoryRegistry()
    for name in "abc":
        registry.add(name)
    assert list(registry.pages("admin"))  # the first use
    assert {registry.few("admin", 3)[0] for _ in range(20)} == set("abc")
