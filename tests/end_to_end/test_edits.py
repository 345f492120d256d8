"""What `dev.py run` has the gateway take from the sources takes effect when it is edited, without a synthesis."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_an_edit_of_the_function_takes_effect_with_the_next_event(assembly, local_gateway_factory, tmp_path):
    sources = (shutil.copytree(ROOT / "lambda_src", tmp_path / "lambda_src"), ROOT)
    gateway = local_gateway_factory(template=assembly, sources=sources)
    with gateway.connect() as client:
        client.send({"action": "ping"})
        assert client.receive().json() == {"type": "pong"}
        edited = [path for path in sources[0].glob("*.py") if '"pong"' in path.read_text()]
        assert edited
        for path in edited:
            path.write_text(path.read_text().replace('"pong"', '"edited"'))
        answer = {}
        while answer != {"type": "edited"}:  # a source of many files is looked at twice a second, at least
            client.send({"action": "ping"})
            answer = client.receive().json()
            assert answer in ({"type": "pong"}, {"type": "edited"})
