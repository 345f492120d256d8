import copy
import json
import pickle

import pydantic

from broadcaster.results import BroadcastResult, Failure


def test_it_equals_prints_and_serialises_as_the_dict_of_the_guide():
    result = BroadcastResult(sent=1)
    assert result == {"sent": 1, "failed": 0, "stale": 0}
    assert str(result) == "{'sent': 1, 'failed': 0, 'stale': 0}"
    assert json.dumps(result) == '{"sent": 1, "failed": 0, "stale": 0}'


def test_it_tells_which_connection_failed_and_why():
    result = BroadcastResult(2, 1, 3, failures=[Failure("L0SM9cOFvHcCIhw=", "no answer within 3 s")])
    assert (result.sent, result.failed, result.stale) == (2, 1, 3)
    assert result.failures[0].reason == "no answer within 3 s"


def test_it_survives_copying_and_pickling():
    result = BroadcastResult(2, 1, 3, failures=[Failure("a", "b", 500)])
    for twin in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):  # noqa: S301
        assert twin == result
        assert twin.failures == result.failures


def test_a_fastapi_endpoint_may_return_it():
    class Answer(pydantic.BaseModel):
        result: BroadcastResult

    assert Answer(result=BroadcastResult(1)).model_dump() == {"result": {"sent": 1, "failed": 0, "stale": 0}}
