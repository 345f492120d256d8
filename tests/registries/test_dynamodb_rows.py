from hypothesis import assume, given
from hypothesis import strategies as st

from broadcaster.channels import check_channel
from broadcaster.connections import check_connection_id
from broadcaster.registries import dynamodb_rows as rows

ID_CHARACTERS = "ABCXYZabcxyz0189_-="
CHANNEL_CHARACTERS = ID_CHARACTERS + "@,.;:/"
IDS = st.from_regex(r"[A-Za-z0-9_-]{8,64}={0,2}", fullmatch=True)
CHANNELS = st.text(CHANNEL_CHARACTERS, min_size=1, max_size=200)


def keys(writes):
    """The primary keys that these writes write."""
    found = []
    for write in writes:
        [request] = write.values()
        row = request.get("Item") or request["Key"]
        found.append((row["pk"]["S"], row["sk"]["S"]))
    return found


@given(IDS, st.lists(CHANNELS | st.just(rows.EVERYTHING), unique=True))
def test_what_is_deleted_is_what_was_put(connection_id, channels):
    put = keys(rows.puts(connection_id, channels, now=0, lifetime=1))
    by_channel, by_connection = rows.deletes(connection_id, channels)
    assert sorted(put) == sorted(keys(by_channel) + keys(by_connection))
    assert len(set(put)) == len(put) == 2 * len(channels)


@given(IDS, CHANNELS, IDS, CHANNELS)
def test_no_two_registrations_share_a_row(connection_id, channel, other_id, other_channel):
    check_connection_id(connection_id)
    check_channel(channel)
    mine = set(keys(rows.puts(connection_id, [channel], now=0, lifetime=1)))
    theirs = set(keys(rows.puts(other_id, [other_channel], now=0, lifetime=1)))
    assert bool(mine & theirs) == ((connection_id, channel) == (other_id, other_channel))


@given(IDS, CHANNELS)
def test_id_and_channel_are_read_from_a_row_as_they_were_written(connection_id, channel):
    by_connection, by_channel = [
        write["PutRequest"]["Item"] for write in rows.puts(connection_id, [channel], now=0, lifetime=1)
    ]
    assert rows.connection_of(by_connection) == rows.connection_of(by_channel) == connection_id
    assert rows.channel_of(by_connection) == channel
    assert len(by_connection["sk"]["S"].encode()) <= 1_024  # what a sort key may have


@given(IDS, IDS, CHANNELS)
def test_the_query_for_one_connection_finds_no_other(connection_id, other_id, channel):
    values = rows.channels_query(connection_id)["ExpressionAttributeValues"]
    [(pk, sk), _] = keys(rows.puts(other_id, [channel], now=0, lifetime=1))
    is_found = pk == values[":pk"]["S"] and sk.startswith(values[":start"]["S"])
    assert is_found == (connection_id == other_id)


@given(IDS)
def test_every_connection_is_in_one_of_the_shards_that_are_counted(connection_id):
    [(pk, _), _] = keys(rows.puts(connection_id, ["admin"], now=0, lifetime=1))
    counted = [rows.shard_query(shard, now=0)["ExpressionAttributeValues"][":pk"]["S"] for shard in range(rows.SHARDS)]
    assert counted.count(pk) == 1


SCOPES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(SCOPES, SCOPES, IDS, IDS, CHANNELS, CHANNELS)
def test_two_deployments_share_no_row_and_none_is_taken_for_an_old_one(scope, other, one_id, other_id, one, another):
    assume(scope != other)
    mine, theirs, old = (
        {pk for pk, _ in keys(rows.puts(connection_id, [channel, rows.EVERYTHING], now=0, lifetime=1, start=start))}
        for connection_id, channel, start in [
            (one_id, one, rows.start_of(scope)),
            (other_id, another, rows.start_of(other)),
            (other_id, another, ""),
        ]
    )
    assert not mine & theirs
    assert not mine & old
