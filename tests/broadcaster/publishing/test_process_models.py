"""Each process model that backends run in, as real processes: every event that was published arrives once."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.broadcaster.publishing.received import data_of, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("aws_keys"),
    pytest.mark.skipif(sys.platform == "win32", reason="these are for systems with fork"),
]
ROOT = Path(__file__).parents[3]
VIEWER = "L0SM9cOFvHcCIhw="
APPLICATION = "tests.broadcaster.publishing.application:app"


@pytest.fixture
def environment(server):
    return {**os.environ, "ENDPOINT": server.endpoint.url, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


@pytest.fixture
def run(environment, tmp_path):
    """Runs a program to its end; returns what it wrote on its output and on its error output."""

    def run(code, *arguments, first=""):
        program = tmp_path / "program.py"
        program.write_text(first + _MAKE + textwrap.dedent(code))
        done = subprocess.run(
            [sys.executable, program, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


_MAKE = """
import os, sys, time
from broadcaster import Broadcaster

def make(**options):
    caster = Broadcaster(endpoint_url=os.environ["ENDPOINT"], region="us-east-1", **options)
    caster.register_connection("L0SM9cOFvHcCIhw=")
    return caster

"""


# --------------------------------------------------------------------------------------------------------- WSGI servers


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def gunicorn(port, *options):
    return [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--no-control-socket",
            *options, APPLICATION]  # fmt: skip


def uwsgi(port, *options, application=APPLICATION):
    start = "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"
    return [sys.executable, "-c", start, "--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "2",
            "--enable-threads", "--die-on-term", "--need-app", *options, "--module", application]  # fmt: skip


SERVERS = {
    "gunicorn": (gunicorn,),
    "gunicorn --preload": (gunicorn, "--preload"),
    "gunicorn, threads": (gunicorn, "--worker-class", "gthread", "--threads", "4"),
    "gunicorn, gevent": (gunicorn, "--worker-class", "gevent"),
    "uWSGI": (uwsgi,),
    "uWSGI --lazy-apps": (uwsgi, "--lazy-apps"),
}


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return int(answer.read())


def answers(port):
    try:
        return ask(port, "/ready")
    except OSError:
        return None


def answering(port):
    """The workers that answer when several ask at once."""
    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(lambda _: ask(port, "/ready"), range(4)))


@pytest.mark.parametrize("name", SERVERS)
def test_each_request_of_a_server_that_forks_is_heard_once(name, server, environment, tmp_path):
    make, *options = SERVERS[name]
    loads = 1 if name in ("gunicorn --preload", "uWSGI") else 2
    port = free_port()
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(make(port, *options), cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: answers(port) or process.poll() is not None, 40.0)
            wait_until(lambda: len(loaded(server, "loaded")) == loads)  # the slower worker too
            if name == "uWSGI":  # it forks in C, and a worker hangs if a thread of the master runs just then
                tasks = Path(f"/proc/{process.pid}/task")
                assert not tasks.exists() or len(list(tasks.iterdir())) == 1
            wait_until(lambda: len(answering(port)) == 2)  # one that is starting would not hear SIGTERM
            workers = [ask(port, f"/{number}") for number in range(40)]
            published = [[f"/{number}", worker] for number, worker in enumerate(workers)]
            if make is uwsgi:  # which ends a worker in the middle of a request without Python's `atexit`
                wait_until(lambda: "GET /39 " in (tmp_path / "log").read_text())
            process.send_signal(signal.SIGTERM)  # what waits goes out before they end
            process.wait(20)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        assert "Traceback" not in log.read()
    received = data_of(server, VIEWER)
    assert sorted(each for each in received if each[0] not in ("loaded", "waits", "/ready")) == sorted(published)
    for worker in set(workers):  # each worker's own in their order
        numbers = [int(path[1:]) for path, sender in received if sender == worker and path[1:].isdigit()]
        assert numbers == sorted(numbers)
    for word in ("loaded", "waits"):
        processes = loaded(server, word)
        assert len(processes) == len(set(processes)) == loads


def loaded(server, word):
    """The processes that published this while they loaded the application."""
    return [sender for path, sender in data_of(server, VIEWER) if path == word]


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_an_outage_holds_up_uwsgi_for_the_timeout_alone_and_starts_no_thread(sender, server, environment, tmp_path):
    server.script = lambda connection_id, attempt: "hang"
    # An address that is looked up, as names are, though no name server is asked for it.
    environment["ENDPOINT"] = environment["ENDPOINT"].replace("127.0.0.1", "0x7f000001")
    (tmp_path / "backend.py").write_text(
        _MAKE
        + textwrap.dedent(
            f"""
            events, calls = [], []
            sys.addaudithook(lambda event, arguments: events.append(event))
            sys.setprofile(lambda frame, event, what: event == "c_call" and calls.append(what.__name__))
            caster = make(timeout=0.5, deadline=600.0, attempts=1000, sender={sender!r})
            caster.publish("logs", "log", 1)  # whose time boto3 may need to load itself
            caster.publish("logs", "log", 2)
            caster.broadcast("logs", "log", 3)
            print("dropped", caster.publisher_stats().dropped["closed"])
            print("connections", events.count("socket.connect") > 0)
            print("threads", len({{"start_new_thread", "start_joinable_thread"}}.intersection(calls)))
            app = print
            """
        )
    )
    environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    load = uwsgi(free_port(), "--no-server", application="backend:app")
    done = subprocess.run(load, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "dropped 2\nconnections True\nthreads 0\n" in done.stdout + done.stderr


# ----------------------------------------------------------------------------------------- children of other libraries


@pytest.mark.parametrize("library", ["multiprocessing", "billiard"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_children_publish_is_sent_before_they_end(library, method, run, server):
    run(
        """
        import importlib
        multiprocessing, method = importlib.import_module(sys.argv[1]), sys.argv[2]
        caster = make(window=1.0)

        def work(number):
            caster.publish("logs", "log", [number, "first"])
            caster.publish("logs", "log", [number, "waits"])

        if __name__ == "__main__":
            caster.publish("logs", "log", ["parent", "first"])
            caster.publish("logs", "log", ["parent", "waits"])
            context = multiprocessing.get_context(method)
            children = [context.Process(target=work, args=(number,)) for number in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            assert [child.exitcode for child in children] == [0, 0, 0]
        """,
        library,
        method,
    )
    received = data_of(server, VIEWER)
    assert len(received) == 8
    for name in ("parent", 0, 1, 2):
        assert [what for who, what in received if who == name] == ["first", "waits"]


def test_tasks_of_celery_are_heard_once_also_when_their_worker_ends_at_once(environment, server, tmp_path):
    for folder in ("queue", "done"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks.py").write_text(
        _MAKE
        + textwrap.dedent(
            f"""
            from celery import Celery

            app = Celery("tasks", broker="filesystem://")
            app.conf.broker_transport_options = {{
                "data_folder_in": {str(tmp_path / "queue")!r},
                "data_folder_out": {str(tmp_path / "queue")!r},
                "processed_folder": {str(tmp_path / "done")!r},
            }}
            caster = make(window=1.0)
            caster.publish("logs", "log", "loaded")

            @app.task(ignore_result=True)
            def work(number):
                caster.publish("logs", "log", number)
            """
        )
    )
    environment = {**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PYTHONWARNINGS": "ignore"}
    send = "import tasks\nfor number in range(20): tasks.work.delay(number)\nassert tasks.caster.flush()"
    subprocess.run([sys.executable, "-c", send], cwd=tmp_path, env=environment, check=True, timeout=60)
    worker = [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--max-tasks-per-child", "5"]
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(worker, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or not list((tmp_path / "queue").iterdir()), 40.0)
            process.send_signal(signal.SIGTERM)  # the warm shutdown
            process.wait(30)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        assert "Traceback" not in (told := log.read()), told
    received = data_of(server, VIEWER)
    assert sorted(each for each in received if each != "loaded") == list(range(20)), told
    assert received.count("loaded") == 2  # by who sent the tasks, and by the workers' parent


@pytest.mark.parametrize(
    "patch",
    [
        "import gevent.monkey; gevent.monkey.patch_all()",
        "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()",
    ],
    ids=["gevent", "eventlet"],
)
@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_green_threads_publish_and_go_on_while_it_is_sent(patch, sender, run, server):
    server.script = lambda connection_id, attempt: "slowly"
    out, _ = run(
        f"""
        import threading
        ticks = []
        caster = make(window=0.02, sender={sender!r})

        def tick():
            while len(ticks) < 10_000:
                ticks.append(1)
                time.sleep(0.001)

        def publish(name):
            for number in range(50):
                caster.publish("logs", "log", [name, number])
                time.sleep(0.002)

        threading.Thread(target=tick, daemon=True).start()
        threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert caster.flush(30.0)
        assert len(ticks) > 20, len(ticks)
        print(caster.publisher_stats().events)
        """,
        first=patch,
    )
    assert out == "200\n"
    received = data_of(server, VIEWER)
    assert len(received) == 200
    for name in range(4):
        assert [number for who, number in received if who == name] == list(range(50))


def test_threads_may_end_right_after_they_have_published(run, server):
    run(
        """
        import threading
        caster = make()
        for number in range(50):
            thread = threading.Thread(target=caster.publish, args=("logs", "log", number))
            thread.start()
            thread.join()
        assert caster.flush(20.0)
        """
    )
    assert data_of(server, VIEWER) == list(range(50))
